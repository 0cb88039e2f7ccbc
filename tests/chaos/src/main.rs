//! `chaos`: runs the fault bench and prints what it found.

use std::io::{self, Write as _};
use std::process::ExitCode;

use chaos::Options;
use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = Box::pin(chaos::run(Options::parse())).await;
    let (text, code) = match outcome {
        Ok(report) if report.violations.is_empty() => (report.to_string(), ExitCode::SUCCESS),
        Ok(report) => (report.to_string(), ExitCode::FAILURE),
        Err(error) => (format!("error: {error}"), ExitCode::from(2)),
    };
    // If stdout is closed, nothing is left to report to.
    let _ = writeln!(io::stdout(), "{text}");
    code
}

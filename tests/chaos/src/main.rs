//! `chaos`: runs the fault bench and prints what it found.

use std::io::{self, Write as _};
use std::process::ExitCode;

use chaos::Options;
use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(requests) = options.at_expiry {
        return match Box::pin(chaos::at_expiry(&options, requests)).await {
            Ok(seen) if seen.is_right() => print(&seen.to_string(), ExitCode::SUCCESS),
            Ok(seen) => print(&seen.to_string(), ExitCode::FAILURE),
            Err(error) => print(&format!("error: {error}"), ExitCode::from(2)),
        };
    }
    let outcome = Box::pin(chaos::run(options)).await;
    let (text, code) = match outcome {
        Ok(report) if report.violations.is_empty() => (report.to_string(), ExitCode::SUCCESS),
        Ok(report) => (report.to_string(), ExitCode::FAILURE),
        Err(error) => (format!("error: {error}"), ExitCode::from(2)),
    };
    print(&text, code)
}

fn print(text: &str, code: ExitCode) -> ExitCode {
    // If stdout is closed, nothing is left to report to.
    let _ = writeln!(io::stdout(), "{text}");
    code
}

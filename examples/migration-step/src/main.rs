//! An application's own migrator, with the move to many sessions as one of its steps.
//!
//! `migrator.rs` is the part to copy into an application. The rest demonstrates it: `cargo run -p
//! migration-step` creates a database with Open WebUI's schema, runs the migrator on it, checks the
//! result, and rolls the move back. It fails at the first check that does not hold.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the demo prints what it checks")]

mod demo;
mod legacy;
mod migrator;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(demo::run()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED  {error}");
            ExitCode::FAILURE
        }
    }
}

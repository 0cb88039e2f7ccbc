//! An application's own migrator, with the move to many sessions as one of its steps.
//!
//! `cargo run -p migration-step` builds a database of Open WebUI's shape, runs the migrator on it,
//! and tells what came of it; it checks each step and fails with the first that does not hold.
//! `migrator.rs` is what an application would have of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the story is told on the terminal")]

mod legacy;
mod migrator;
mod story;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(story::tell()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED  {error}");
            ExitCode::FAILURE
        }
    }
}

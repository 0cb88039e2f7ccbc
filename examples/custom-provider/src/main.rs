//! Two providers that are not OpenID Connect.
//!
//! - `house`: an in-house token service with a protocol of its own, whose tickets expire and are
//!   renewed, each renewal for the next.
//! - `forge`: one like GitHub, whose tokens neither expire nor are renewed; a token lives until
//!   somebody deletes it.
//!
//! `cargo run -p custom-provider` starts both on loopback and tells a short story with them; it
//! checks each step and fails with the first that does not hold.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the story is told on the terminal")]

mod forge;
mod house;
mod http;
mod story;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match story::tell().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED  {error}");
            ExitCode::FAILURE
        }
    }
}

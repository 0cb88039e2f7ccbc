//! Two providers that are not OpenID Connect.
//!
//! - `house`: an in-house token service with its own protocol. Its tickets expire after ten
//!   minutes, and each is renewed with a renewal code that is valid once.
//! - `forge`: a service like GitHub. Its tokens neither expire nor are renewed; a token is valid
//!   until it is deleted.
//!
//! `cargo run -p custom-provider` starts both services on loopback and runs a scenario with each. It
//! prints every step, and fails at the first one whose result is not as expected.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the example prints to the terminal")]

mod forge;
mod house;
mod http;
mod scenario;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match scenario::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED  {error}");
            ExitCode::FAILURE
        }
    }
}

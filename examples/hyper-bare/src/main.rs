//! The session layer on plain hyper: no framework, one connection at a time in a task of its own.
//!
//! `cargo run -p hyper-bare` listens on 127.0.0.1:3000 (or the address that is given), with a
//! sign-in for demonstration that asks for no password:
//!
//! ```text
//! curl -c jar -b jar -X POST '127.0.0.1:3000/sign-in?user=ann'
//! curl -c jar -b jar 127.0.0.1:3000/
//! curl -c jar -b jar -X POST 127.0.0.1:3000/sign-out
//! ```
//!
//! `cargo run -p hyper-bare -- --check` does the same by itself, and exits.

mod check;
mod server;
mod site;

use std::error::Error;

use tokio::net::TcpListener;

const DEFAULT_ADDRESS: &str = "127.0.0.1:3000";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("--check") {
        return check::run().await;
    }
    let address = argument.as_deref().unwrap_or(DEFAULT_ADDRESS);
    let listener = TcpListener::bind(address).await?;
    say(&format!("listening on http://{}", listener.local_addr()?));
    server::serve(listener, site::site().await?).await
}

#[expect(clippy::print_stdout, reason = "a program talks to the person who started it")]
fn say(line: &str) {
    println!("{line}");
}

//! The OpenID Connect provider against a scripted issuer, within this process and without a socket.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a panic is how a test fails, and nobody imports a test"
)]

mod authentication;
mod default_client;
mod discovery;
#[cfg(feature = "dpop")]
mod dpop;
#[cfg(not(feature = "dpop"))]
mod dpop_off;
mod issuer;
#[cfg(feature = "dpop")]
mod proof;
mod renewal;
mod revocation;
mod setup;
mod sign_in;
mod token_exchange;
mod tool_server;

/// Returns everything that an error prints: `Display` and `Debug`, also of its causes.
fn everything_shown(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text += &format!("{error}\n{error:?}\n{error:#?}\n");
        next = error.source();
    }
    text
}

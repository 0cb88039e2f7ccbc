//! The provider over real HTTP, with the openidconnect crate as its client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod authorization;
mod client_authentication;
mod faults;
mod logout;
mod program;
mod renewal;
mod resource;
mod revocation;
mod sign_in;
mod site;
mod token_settings;

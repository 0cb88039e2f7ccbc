//! The manager under failures of the provider, the store and the process.
#![cfg(feature = "test-util")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a panic is how a test fails, and nobody imports a test"
)]

mod backoff;
mod lease;
mod rare;
mod store_errors;
mod waiting;
mod watcher;
mod world;

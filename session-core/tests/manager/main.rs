//! The manager under failures of the provider, the store and the process.
#![cfg(feature = "test-util")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a panic is how a test fails, and nobody imports a test"
)]

mod admission;
mod backoff;
mod lease;
mod maintenance;
mod rare;
mod resources;
mod step_up;
mod store_errors;
mod waiting;
mod watcher;
mod world;

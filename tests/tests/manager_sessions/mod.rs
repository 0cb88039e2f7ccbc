//! The manager signs in, resolves, lists, ends, rotates, purges and revokes (DESIGN: laws of the
//! store, cookie, ended signal).
//!
//! The store is in memory and the clock stands still: no test waits for time.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod admission;
mod end;
mod follow;
mod keys;
mod list;
mod notices;
mod outbox;
mod purge;
mod resolve;
mod rotation;
mod signal;
mod store_health;
mod timeouts;
mod trouble;

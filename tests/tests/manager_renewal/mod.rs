//! Token renewal by the manager: when it is due, once, and through every failure.
//!
//! Memory and a clock that stands still: nothing here takes time.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod due;
mod flight;
mod keep;
mod lease;
mod provider;
mod refusal;
mod rejection;
mod shutdown;
mod take_over;

//! Moves as processes: killed, paused, taken back, and with an application writing meanwhile.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and what it drew must be seen"
)]

mod application;
mod back;
mod chance;
mod control;
mod kill;
mod naive;
mod online;
mod seed;
mod site;

//! The command against each database, beside a service that runs.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and a measurement is printed"
)]

mod operator;
mod reseal;
mod service;
mod terminal;

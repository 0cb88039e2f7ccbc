//! Moves by the built command: what they carry over, refuse and leave behind; killed, paused and
//! rolled back, and with an application that goes on writing.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and the seed of a test must be seen"
)]

mod application;
mod attempts;
mod back;
mod blocked;
mod control;
mod fixtures;
mod keys;
mod kill;
mod naive;
mod numbers;
mod online;
mod openwebui;
mod plans;
mod preflight;
mod presets;
mod random;
mod refusals;
mod rollback;
mod seed;
mod site;
mod snapshot;
mod sources;
mod target;
mod tool;
mod trouble;

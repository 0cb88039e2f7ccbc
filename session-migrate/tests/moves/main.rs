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
mod behind;
mod binary_log;
mod blocked;
mod commands;
mod control;
mod failback;
mod fixtures;
mod held;
mod keys;
mod kill;
mod kill_back;
mod lease;
mod naive;
mod numbers;
mod online;
mod openwebui;
mod operator;
mod pace;
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
mod twice;
mod unblocked;
mod unconfirmed;

/// Sends a signal to a process.
pub(crate) async fn signal(child: &tokio::process::Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill").args([name, &id]).status().await.unwrap();
    assert!(sent.success(), "{name} to {id}");
}

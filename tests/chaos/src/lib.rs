//! The fault bench.
//!
//! Several processes of `devices` run on one database, each behind a proxy of its own. Browsers sign
//! in, call, end each other's sessions and sign out, while a seeded schedule kills, freezes and cuts
//! off. Every operation goes to a history, and the [`checker`] verifies the history afterwards.

pub mod checker;
pub mod history;

mod bench;
mod browser;
mod browsing;
mod cluster;
mod cookies;
mod database;
mod error;
mod expiry;
mod faults;
mod kill;
mod options;
mod primary;
mod processes;
mod provider;
mod report;
mod schedule;
mod site;
mod watched_end;

pub use bench::run;
pub use error::BenchError;
pub use expiry::{Expiry, at_expiry};
pub use options::{DatabaseChoice, Options};
pub use report::Report;

//! What the tests that cross crates, databases and processes share.
//!
//! - [`database`]: a fresh database of each kind per test, and ways to take it away.
//! - [`manager`]: a manager whose clock, provider and store are the test's.
//! - [`sources`]: the files of the workspace, for tests that read them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a panic is how a test fails"
)]

pub mod database;
pub mod manager;
pub mod sources;

/// The quick start of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

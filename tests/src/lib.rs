//! Shared code of the tests that cross crates, databases and processes.
//!
//! - [`database`]: a fresh database of each kind per test, and ways to interrupt it.
//! - [`manager`]: a manager with a test's own clock, provider and store.
//! - [`identity`]: an identity provider that signs users in over HTTP.
//! - [`source`]: a source database of a migration.
//! - [`projects`]: the tables of the projects that have a preset, with rows.
//! - [`sources`]: the files of the workspace, for tests that read them.
//! - [`fixtures`]: databases that some of those projects created themselves.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "this crate is test code: a panic is how a test fails"
)]

pub mod database;
pub mod fixtures;
pub mod identity;
pub mod log;
pub mod manager;
pub mod projects;
pub mod source;
pub mod sources;

//! Writes of others to a source that is being moved: each is noted, or refused; and afterwards the
//! source is as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bar;
mod capture;
mod keys;
mod open;
mod pick;
mod projects;
mod related;
mod schema;
#[allow(dead_code, reason = "the tests of reading use more of it")]
#[path = "../migrate_source/source.rs"]
mod source;
mod watched;

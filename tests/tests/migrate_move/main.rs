//! The move of whole databases by the built command: what it carries over, what it refuses, and
//! what it leaves behind when it is taken back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod command;
#[path = "../migrate_source/dump.rs"]
mod dump;
mod fixtures;
mod openwebui;
mod presets;
mod projects;
mod refusals;
mod rollback;
mod snapshot;
#[allow(dead_code, reason = "the tests of sources use all of it")]
#[path = "../migrate_source/source.rs"]
mod source;
mod target;
mod trouble;

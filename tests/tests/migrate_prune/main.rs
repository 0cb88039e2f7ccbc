//! Tests of `prune`: a cap enforced in place on tables that keep their own layout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crowds;
#[path = "../migrate_source/dump.rs"]
mod dump;
mod fixtures;
mod online;
mod refusals;
mod shapes;
#[allow(dead_code, reason = "the tests of sources use all of it")]
#[path = "../migrate_source/source.rs"]
mod source;
mod table;
mod victims;

//! Tests of `prune`: a cap enforced in place on tables that keep their own layout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crowds;
mod fixtures;
mod online;
mod refusals;
mod shapes;
mod table;
mod victims;

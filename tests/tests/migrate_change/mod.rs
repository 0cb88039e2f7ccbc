//! Change capture: writes to a source during a move are logged or blocked, and stopping restores the
//! source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bar;
mod capture;
mod cascade;
mod keys;
mod open;
mod pick;
mod projects;
mod related;
mod schema;
mod watched;

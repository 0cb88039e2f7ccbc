//! The program, tested from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod browser;
mod check;
mod copies;
mod flags;
mod keys;
mod moved;
mod program;
mod story;

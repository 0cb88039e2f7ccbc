//! Models of what several processes do at once, for a checker that tries every order.
//!
//! [`renewal`] is one session, its row and its provider; [`cache`] is a row that is read into a cache
//! while its session ends. Transitions are named after the functions that they stand for; a change there
//! is a change here.
#![allow(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "this crate is test code: a panic is how a check fails"
)]

pub mod cache;
pub mod renewal;

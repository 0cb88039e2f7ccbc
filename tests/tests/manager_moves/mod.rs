//! Sessions that were moved here from another system's table: the first device claims one, jobs
//! find them, and until the cutover their refresh tokens are not used here.
//!
//! The clock is the test's: no test waits for a timeout or an expiry.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod claim;
mod hold;
mod moved;

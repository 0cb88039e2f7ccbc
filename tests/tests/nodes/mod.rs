//! Several nodes on real servers: what one does reaches the others, through PostgreSQL, Redis and a
//! Galera cluster.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod broadcast;
mod galera;
mod set_back;

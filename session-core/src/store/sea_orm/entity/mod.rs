//! The tables as SeaORM sees them; a test holds them against the migrations on every database.
//!
//! For tools and tests: write through the store, which keeps the laws.

pub mod admission_lock;
pub mod event;
mod octets;
pub mod revocation;
pub mod session;

pub use octets::Octets;

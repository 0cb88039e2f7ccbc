//! The tables as SeaORM entities. A test compares them with the migrations on every database.
//!
//! For tools and tests; applications write through the store, which keeps the laws.

pub mod admission_lock;
pub mod event;
mod octets;
pub mod revocation;
pub mod session;

pub use octets::Octets;

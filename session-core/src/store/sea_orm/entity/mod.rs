//! The tables as SeaORM entities. A test compares them with the migrations on every database.
//!
//! For tools and tests; applications write through the store, which keeps the laws.

pub mod admission_lock;
pub mod event;
pub mod revocation;
pub mod session;

use std::fmt;

use sea_orm::{DbErr, DeriveValueType, TryFromU64};

/// The bytes of a column. `Debug` prints only their number, since they are digests and sealed tokens.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct Octets(pub Vec<u8>);

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Always fails: no key of a database is a counter here. SeaORM requires this of every key.
impl TryFromU64 for Octets {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("Octets"))
    }
}

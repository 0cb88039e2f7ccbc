//! The right of one process to renew one session.

use std::time::Duration;

use uuid::Uuid;

/// Who holds a lease: one attempt at one renewal, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseOwner(Uuid);

impl LeaseOwner {
    /// An owner that never was before.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The owner with this UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The owner as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

/// The right of one process to renew one session, as it lies in the row (store law 4).
///
/// It names no moment: whoever wants to take it over watches owner and beat stand still for the
/// term on his own monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub owner: LeaseOwner,
    /// Raised by the owner while he lives.
    pub heartbeat: u64,
    /// How long owner and beat must stand still before somebody else may take it.
    pub term: Duration,
}

impl Lease {
    /// A new lease of this term.
    #[must_use]
    pub fn new(term: Duration) -> Self {
        Self { owner: LeaseOwner::generate(), heartbeat: 0, term }
    }

    /// This lease after one more beat.
    #[must_use]
    pub const fn raised(self) -> Self {
        Self { heartbeat: self.heartbeat + 1, ..self }
    }
}

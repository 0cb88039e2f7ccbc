//! Leases: the right of one process to renew one session.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::session::SessionId;
use crate::store::StoreError;

/// Gives one process at a time the right to renew a session (law 4).
#[async_trait]
pub trait RenewalLeases {
    /// Stores `lease` if the session is live and its lease has the owner and the heartbeat of
    /// `seen`, where `None` means that it has none; returns whether it did.
    ///
    /// A caller passes `Some` only for a lease that it has watched stand still for its term.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer. The lease may be stored if the
    /// connection broke: it then expires by standing still.
    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<bool, StoreError>;

    /// Raises the heartbeat by one if the session is live and still has this lease.
    ///
    /// Returns `false` if the lease was taken over or released, or if the session has ended.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer; the heartbeat may be raised then.
    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError>;

    /// Releases the lease if it still belongs to this owner, whatever its heartbeat.
    ///
    /// Does nothing otherwise. May be repeated.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer; the lease then expires by standing
    /// still.
    async fn release_lease(&self, id: SessionId, owner: LeaseOwner) -> Result<(), StoreError>;
}

/// The owner of a lease: one attempt at one renewal, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseOwner(Uuid);

impl LeaseOwner {
    /// Creates an owner that was never used before.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// Creates the owner with this UUID, as a store has read it.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns the owner as a UUID, for a store to write.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

/// The right of one process to renew one session, as it is stored in the row (law 4).
///
/// It holds no point in time. A process that wants to take it over watches owner and heartbeat
/// stand still for the term, on its own monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The owner.
    pub owner: LeaseOwner,
    /// A counter that the owner raises while it works.
    pub heartbeat: u64,
    /// How long owner and heartbeat must stand still before another process may take over.
    pub term: Duration,
}

impl Lease {
    /// Creates a lease with a new owner.
    #[must_use]
    pub fn new(term: Duration) -> Self {
        Self::from_parts(LeaseOwner::generate(), 0, term)
    }

    /// Creates the lease with these parts, as a store has read them.
    #[must_use]
    pub const fn from_parts(owner: LeaseOwner, heartbeat: u64, term: Duration) -> Self {
        Self { owner, heartbeat, term }
    }

    /// Returns this lease after one more heartbeat.
    #[must_use]
    pub const fn raised(self) -> Self {
        Self { heartbeat: self.heartbeat + 1, ..self }
    }
}

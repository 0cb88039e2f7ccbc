//! Leases: the right of one process to renew one session.

use async_trait::async_trait;

use crate::session::SessionId;
use crate::store::{Lease, LeaseOwner, StoreError, StoredSession};

/// Gives one process at a time the right to renew a session (law 4).
#[async_trait]
pub trait RenewalLeases {
    /// Stores `lease` if the session is live and its lease has the owner and the heartbeat of
    /// `seen`, where `None` means that it has none. Returns the row with the lease then, so that its
    /// new owner need not read it again, and `None` otherwise.
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
    ) -> Result<Option<StoredSession>, StoreError>;

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

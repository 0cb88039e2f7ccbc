//! The outbox of tokens that are to be revoked at their provider (RFC 7009).

use async_trait::async_trait;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::session::{ProviderName, Session, SessionId, UserId};
use crate::store::{Partition, StoreError};
use crate::token::Sealed;

/// Keeps refresh tokens, and access tokens that never expire, until they are revoked at their
/// provider (law 11).
#[async_trait]
pub trait RevocationOutbox {
    /// Adds a refresh token that no row holds.
    ///
    /// Does nothing if the id is in the outbox already, so that a call may be repeated.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer; the entry may be stored then.
    async fn enqueue_revocation(&self, revocation: PendingRevocation) -> Result<(), StoreError>;

    /// Claims at most `limit` revocations that are due at `now`, the longest due first.
    ///
    /// In one effect: moves the due time of each to `until`, so that no other call gets it before,
    /// unless it is postponed to an earlier time, and raises its count of attempts. Returns the
    /// entries as they are stored after that. Two calls never claim the same entry.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer. Entries that were claimed all the same
    /// become due again at `until`.
    async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError>;

    /// Sets the time at which a revocation is due. Does nothing if it is not in the outbox.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn postpone_revocation(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Returns how many revocations are pending, and since when.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn revocation_backlog(&self) -> Result<RevocationBacklog, StoreError>;

    /// Removes a revocation that is done, or that must not be done. Does nothing if it is not in
    /// the outbox.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn complete_revocation(&self, id: RevocationId) -> Result<(), StoreError>;
}

/// What is in the outbox at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores create it")]
pub struct RevocationBacklog {
    /// How many revocations are pending, due or not.
    pub count: u64,
    /// When the oldest of them was added.
    pub oldest: Option<Timestamp>,
}

/// The id of a revocation in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationId(Uuid);

impl RevocationId {
    /// Creates an id that was never used before.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// Creates the id with this UUID, as a store has read it.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns the id as a UUID, for a store to write.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

/// A refresh token that is to be revoked, sealed for the session that held it (law 11).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingRevocation {
    /// The id of the entry.
    pub id: RevocationId,
    /// The session that held the token, for which it is sealed.
    pub session: SessionId,
    /// The user of the session.
    pub user: UserId,
    /// The provider to ask.
    pub provider: ProviderName,
    /// The partition of the session. A provider that revokes whole grants is asked only when no
    /// live session is left in it.
    pub partition: Partition,
    /// The sealed refresh token; without one, an access token that never expires.
    pub refresh_token: Sealed,
    /// When the entry was added.
    pub created_at: Timestamp,
    /// When the entry is to be tried next.
    pub due_at: Timestamp,
    /// How often it was claimed.
    pub attempts: u32,
}

impl PendingRevocation {
    /// Creates an entry with a new id for a token of this session, due at once.
    #[must_use]
    pub fn new(session: &Session, refresh_token: Sealed, now: Timestamp) -> Self {
        Self {
            id: RevocationId::generate(),
            session: session.id,
            user: session.user.clone(),
            provider: session.provider.clone(),
            partition: Partition::of_session(session),
            refresh_token,
            created_at: now,
            due_at: now,
            attempts: 0,
        }
    }
}

//! Finding and re-sealing what an older key has sealed.

use async_trait::async_trait;

use crate::session::SessionId;
use crate::store::{PendingRevocation, RevocationId, StoreError, StoredSession};
use crate::token::{Sealed, SealedTokens};

/// Finds what an older key has sealed, and replaces it by the same values under a new key (law 10).
#[async_trait]
pub trait KeyRotation {
    /// Returns one live session for each key id that any live session is sealed with.
    ///
    /// Opening these at start-up shows whether a configured key is missing.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn sample_per_key(&self) -> Result<Vec<StoredSession>, StoreError>;

    /// Returns at most `limit` live sessions with an id greater than `after` that another key than
    /// `key_id` has sealed, in the order of their ids.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError>;

    /// Returns at most `limit` revocations with an id greater than `after` that another key than
    /// `key_id` has sealed, in the order of their ids.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn list_revocations_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError>;

    /// Replaces the sealed tokens of each of these sessions that is live and has the revision that
    /// was read (law 3), and returns how many it replaced. The others stay as they are.
    ///
    /// The revision stays, since no request sees a difference. They are written at once, so that
    /// the disk is flushed once: the caller gives a few dozen, so that no request waits long for a row.
    /// May be repeated.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn reseal(&self, sessions: Vec<Reseal>) -> Result<usize, StoreError>;

    /// Replaces the sealed refresh token of a revocation. Does nothing if it is not in the outbox.
    /// May be repeated.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn reseal_revocation(&self, id: RevocationId, sealed: Sealed) -> Result<(), StoreError>;
}

/// Holds tokens that were sealed anew, for a session as it was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reseal {
    /// The session.
    pub id: SessionId,
    /// The revision that was read.
    pub revision: u64,
    /// The tokens.
    pub tokens: SealedTokens,
}

impl Reseal {
    /// Creates a write of these tokens over the revision that was read.
    #[must_use]
    pub const fn new(id: SessionId, revision: u64, tokens: SealedTokens) -> Self {
        Self { id, revision, tokens }
    }
}

//! Refresh tokens that are to be revoked at their provider (RFC 7009).

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::session::{ProviderName, SessionId, UserId};
use crate::store::admission::Partition;
use crate::token::Sealed;

/// The id of a revocation in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationId(Uuid);

impl RevocationId {
    /// A new id.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id with this UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id as a UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> Uuid {
        self.0
    }
}

/// A refresh token that is to be revoked, sealed for the session that held it (store law 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRevocation {
    /// Its place in the outbox.
    pub id: RevocationId,
    /// The session that held the token, for which it is sealed.
    pub session: SessionId,
    /// The session's user.
    pub user: UserId,
    /// The session's provider, which is to be asked.
    pub provider: ProviderName,
    /// The session's partition: where a provider revokes whole grants, it is asked only when the
    /// partition is empty.
    pub partition: Partition,
    /// The refresh token.
    pub refresh_token: Sealed,
    /// When it came into the outbox.
    pub created_at: Timestamp,
    /// When it is to be tried next.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
}

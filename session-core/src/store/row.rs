//! What a row of the store holds, and what is reported of it when it ends.

use crate::clock::Timestamp;
use crate::session::{EndReason, ProviderName, SecretDigest, Session, SessionId, UserId};
use crate::store::lease::Lease;
use crate::token::SealedTokens;

/// A session as it is stored in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSession {
    /// The session.
    pub session: Session,
    /// The digests of its cookie's secrets.
    pub digests: Digests,
    /// Its sealed tokens; `None` once it has ended.
    pub tokens: Option<SealedTokens>,
    /// The lease for its renewal, if a process holds one.
    pub lease: Option<Lease>,
}

impl StoredSession {
    /// Creates the row of a session that no process renews.
    #[must_use]
    pub const fn new(session: Session, digests: Digests, tokens: Option<SealedTokens>) -> Self {
        Self { session, digests, tokens, lease: None }
    }

    /// Sets the lease.
    #[must_use]
    pub const fn with_lease(mut self, lease: Option<Lease>) -> Self {
        self.lease = lease;
        self
    }
}

/// The digests of a session's secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digests {
    /// The digest of the current secret; `None` for a session without a cookie.
    pub current: Option<SecretDigest>,
    /// The digest of the secret before it, as long as that may still be presented.
    pub previous: Option<PreviousDigest>,
}

/// A rotated secret that is still accepted for a while (see [`crate::policy::rotation`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousDigest {
    /// The digest of the old secret.
    pub digest: SecretDigest,
    /// When it was replaced.
    pub rotated_at: Timestamp,
    /// When the new secret was first presented.
    pub confirmed_at: Option<Timestamp>,
}

impl Digests {
    /// Returns every digest that finds the row.
    pub fn iter(&self) -> impl Iterator<Item = SecretDigest> + use<> {
        [self.current, self.previous.map(|previous| previous.digest)].into_iter().flatten()
    }
}

/// A session that a call of the store ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSession {
    /// The id.
    pub id: SessionId,
    /// The user.
    pub user: UserId,
    /// The provider.
    pub provider: ProviderName,
    /// The reason.
    pub reason: EndReason,
    /// Every digest under which a cache may hold it.
    pub digests: Digests,
}

impl EndedSession {
    /// Creates the report of a session that ended for this reason.
    #[must_use]
    pub fn new(session: &Session, digests: Digests, reason: EndReason) -> Self {
        let (user, provider) = (session.user.clone(), session.provider.clone());
        Self { id: session.id, user, provider, reason, digests }
    }
}

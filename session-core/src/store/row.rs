//! What a row of the store holds, and what is reported of it when it ends.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::policy::rotation;
use crate::session::{EndReason, ProviderName, SecretDigest, Session, SessionId, UserId};
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

/// The digests of a session's secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digests {
    /// The digest of the current secret; `None` for a session without a cookie.
    pub current: Option<SecretDigest>,
    /// The digest of the secret before it, as long as that may still be presented.
    pub previous: Option<PreviousDigest>,
    /// Whether the current secret has taken the place of another one, or of none. If it has not,
    /// a migrated session's is still the one that the other system gave out.
    pub is_rotated: bool,
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
    /// Creates the digests of a session whose current secret is its first.
    #[must_use]
    pub const fn first(current: Option<SecretDigest>) -> Self {
        Self { current, previous: None, is_rotated: false }
    }

    /// Returns whether a cookie of this digest is accepted at `now`: the current one, or the
    /// previous one for a while.
    #[must_use]
    pub fn accepts(&self, digest: &SecretDigest, now: Timestamp) -> bool {
        let previous = self.previous.filter(|previous| previous.digest == *digest);
        self.current == Some(*digest)
            || previous.is_some_and(|previous| {
                rotation::is_previous_accepted(previous.rotated_at, previous.confirmed_at, now)
            })
    }

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

//! What a row of the store holds, and what is left of it when it has ended.

use crate::clock::Timestamp;
use crate::session::{EndReason, ProviderName, SecretDigest, Session, SessionId, UserId};
use crate::store::lease::Lease;
use crate::token::SealedTokens;

/// A session as it lies in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// The session.
    pub session: Session,
    /// What its cookie is known by.
    pub digests: Digests,
    /// Its tokens; `None` once it has ended.
    pub tokens: Option<SealedTokens>,
    /// Who has the right to renew it, and whether he lives.
    pub lease: Option<Lease>,
}

/// What a session's cookie is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digests {
    /// The digest of the secret; `None` for a session without a cookie.
    pub current: Option<SecretDigest>,
    /// What was rotated away, as long as it may still be presented.
    pub previous: Option<PreviousDigest>,
}

/// A secret that was rotated away, and is accepted for a while (see [`crate::policy::rotation`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousDigest {
    /// The digest of the old secret.
    pub digest: SecretDigest,
    /// When it was rotated away.
    pub rotated_at: Timestamp,
    /// When the new secret was first presented.
    pub confirmed_at: Option<Timestamp>,
}

impl Digests {
    /// Every digest that finds the row.
    pub fn iter(&self) -> impl Iterator<Item = SecretDigest> + use<> {
        [self.current, self.previous.map(|previous| previous.digest)].into_iter().flatten()
    }
}

/// A session that a call of the store ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it was.
    pub user: UserId,
    /// The provider.
    pub provider: ProviderName,
    /// Why it ended.
    pub reason: EndReason,
    /// Every digest that a cache may know it by.
    pub digests: Digests,
}

//! What a store is asked to change, or to look for.

use crate::clock::Timestamp;
use crate::session::{ProviderName, SecretDigest, SessionId, Subject, UserId};
use crate::store::row::PreviousDigest;
use crate::token::SealedTokens;

/// Which sessions to end; only live ones are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndTarget {
    /// All of a user, or those of one provider.
    AllOf {
        /// The user.
        user: UserId,
        /// Only those of this provider.
        provider: Option<ProviderName>,
    },
    /// All of a user but one.
    Others {
        /// The user.
        user: UserId,
        /// The one that stays.
        except: SessionId,
    },
    /// The sessions at a provider that it says are over (OpenID Connect Back-Channel Logout, B4):
    /// those of a `sid`, or all of a subject, and none of a tool client's. One that names neither
    /// names nobody.
    OfProvider {
        /// The issuer.
        issuer: String,
        /// Only those of this subject.
        subject: Option<Subject>,
        /// Only those of this session at the provider.
        sid: Option<String>,
    },
    /// One session; with a user, only if it is his (law 6).
    One {
        /// The session.
        id: SessionId,
        /// Whose it must be.
        user: Option<UserId>,
    },
    /// One session, if it was not used since it was read (law 3).
    Unused {
        /// The session.
        id: SessionId,
        /// Its last use, as it was read.
        last_seen_at: Timestamp,
    },
    /// One session, if nothing that a request sees has changed since it was read.
    Unchanged {
        /// The session.
        id: SessionId,
        /// Its revision, as it was read.
        revision: u64,
    },
}

/// New tokens for one session, as it was read.
#[derive(Debug, Clone)]
pub struct TokenWrite {
    /// The session.
    pub id: SessionId,
    /// The revision that was read.
    pub revision: u64,
    /// The tokens.
    pub tokens: SealedTokens,
    /// When they were renewed.
    pub now: Timestamp,
}

/// A new secret for one session, as it was read.
#[derive(Debug, Clone, Copy)]
pub struct SecretRotation {
    /// The session.
    pub id: SessionId,
    /// The current digest that was read; `None` gives a session its first secret.
    pub from: Option<SecretDigest>,
    /// The new digest.
    pub to: SecretDigest,
    /// What stays acceptable for a while beside it.
    pub previous: Option<PreviousDigest>,
}

/// By which time a live session may have reached a timeout; each has its index (law 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleBy {
    /// By its last use: the idle timeout.
    LastSeen,
    /// By the base of its timeouts: the absolute one.
    TimeoutsFrom,
}

/// A page of live sessions that were last used, or began, no later than a moment.
#[derive(Debug, Clone, Copy)]
pub struct StaleQuery {
    /// By which time.
    pub by: StaleBy,
    /// No later than this.
    pub until: Timestamp,
    /// Behind this one, in the order of that time and the id.
    pub after: Option<(Timestamp, SessionId)>,
    /// At most so many.
    pub limit: u64,
}

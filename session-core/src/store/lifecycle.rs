//! Admitting, ending and purging sessions.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::session::{EndCause, ProviderLogout, ProviderName, SessionId, UserId};
use crate::store::{Admission, Decide, EndedSession, NewSession, StoreError};

/// Admits, ends and purges sessions.
#[async_trait]
pub trait SessionLifecycle {
    /// Admits one more session under the policy (laws 1, 2 and 11).
    ///
    /// In one effect, and alone in its partition while it lasts: ends the live session that
    /// accepts the cookie of [`supersedes`](NewSession::supersedes) at the time of the admission, reads the other live sessions of the
    /// partition, passes them to `decide`, ends the sessions that the verdict names, inserts the
    /// new session as the most recently admitted one, moves the refresh tokens of the ended
    /// sessions to the outbox, and records the events. If the verdict refuses, nothing is changed.
    ///
    /// `decide` may be called several times when the transaction is repeated; its last verdict
    /// counts. The time of all ends is the creation time of the new session.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if the id or the digest is already
    /// used. Nothing was changed then, unless the connection broke during the commit and the store
    /// could not find out what became of it: look for the id before signing in again.
    async fn admit(&self, new: NewSession, decide: &Decide<'_>) -> Result<Admission, StoreError>;

    /// Ends the live sessions that the target names, and returns those that this call ended (laws
    /// 6, 7 and 11).
    ///
    /// In one effect for all of them: stores the reason and the time, moves the refresh tokens to
    /// the outbox, removes the other tokens and the leases, raises the revisions, and records the
    /// events, with the actor. Sessions that have ended already keep their reason and are not returned. A
    /// repetition ends what is still live.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer; no session was ended then, unless the
    /// connection broke during the commit.
    async fn end(
        &self,
        target: EndTarget,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError>;

    /// Deletes at most `limit` sessions that ended before `before`, and returns how many (law 9).
    ///
    /// Live sessions and the outbox are not touched, nor are sessions that a migration brought before it
    /// is complete: a rollback has to know that they ended. May be repeated until it returns less than
    /// `limit`.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer; some of the sessions may be deleted.
    async fn purge_ended(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError>;
}

/// The sessions to end. Only live sessions are ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndTarget {
    /// All sessions of a user, or those of one provider.
    AllOf {
        /// The user.
        user: UserId,
        /// The provider, or `None` for all.
        provider: Option<ProviderName>,
    },
    /// All sessions of a user but one. Connections of tool clients stay (F23).
    Others {
        /// The user.
        user: UserId,
        /// The session that stays.
        except: SessionId,
    },
    /// The browser sessions that a provider reports as over (OpenID Connect Back-Channel Logout, B4).
    /// Connections of tool clients stay. A report that names no session matches none.
    OfProvider(ProviderLogout),
    /// One session.
    One {
        /// The session.
        id: SessionId,
        /// The user whose session it must be; `None` does not check (law 6).
        user: Option<UserId>,
    },
    /// Some sessions, each if it was not used since it was read (law 3).
    Unused {
        /// The sessions, each with the time of its last use as it was read.
        sessions: Vec<(SessionId, Timestamp)>,
    },
    /// One session, if its revision is still the one that was read (law 3).
    Unchanged {
        /// The session.
        id: SessionId,
        /// The revision, as it was read.
        revision: u64,
    },
}

//! Finding, listing and counting sessions.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::policy::ProviderSelection;
use crate::session::{SecretDigest, Session, SessionId, UserId};
use crate::store::{Partition, StoreError, StoredSession};

/// Finds, lists and counts sessions. No method changes anything, so every call may be repeated.
#[async_trait]
pub trait SessionLookup {
    /// Returns the session whose current or previous secret has this digest, live or ended.
    ///
    /// Returns `None` if no session has it. Whether a previous secret is still accepted is for the
    /// caller to decide (see [`crate::policy::rotation`]).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if the row is corrupt.
    async fn find_by_digest(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError>;

    /// Returns the session with this id, live or ended, or `None` if there is none.
    ///
    /// # Security
    ///
    /// Does not check whose session it is: compare the user before showing or changing it (law 6).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if the row is corrupt.
    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError>;

    /// Returns the sessions with these ids, live or ended, in any order.
    ///
    /// Unknown ids are left out, and an id that is given twice is returned once. Used to watch many
    /// sessions for their end with one query.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn find_all(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError>;

    /// Returns the live sessions of a user, most recently admitted first (law 6).
    ///
    /// A session that has reached a timeout is live until it is ended.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn list(&self, user: &UserId) -> Result<Vec<Session>, StoreError>;

    /// Returns how many live sessions a partition has: whether a grant is still in use (law 11).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer.
    async fn count_live(&self, partition: &Partition) -> Result<u64, StoreError>;

    /// Returns a page of live sessions that may have reached a timeout, in the order of the time
    /// that the query names and of their ids (law 9).
    ///
    /// The result is a set of candidates: end each one only after it was read again (law 3).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn list_timeout_candidates(
        &self,
        query: TimeoutQuery,
    ) -> Result<Vec<Session>, StoreError>;
}

/// The time from which a timeout counts; a store has an index for each (law 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutBasis {
    /// The last renewal of a tool client's connection, or its creation: the time after which its
    /// provider forgets it. Other sessions have none.
    ConnectionRenewed,
    /// The last use of the session: the idle timeout.
    LastSeen,
    /// The start of the absolute timeout.
    TimeoutsFrom,
}

impl TimeoutBasis {
    /// Returns this time of a session, if it has one.
    #[must_use]
    pub fn time_of(self, session: &Session) -> Option<Timestamp> {
        match self {
            Self::ConnectionRenewed => session.connection_renewed_at(),
            Self::LastSeen => Some(session.last_seen_at),
            Self::TimeoutsFrom => Some(session.timeouts_from),
        }
    }
}

/// A page of live sessions of some providers for which one of these times is no later than
/// a moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TimeoutQuery {
    /// The time to select and to sort by.
    pub by: TimeoutBasis,
    /// The providers of the sessions.
    pub providers: ProviderSelection,
    /// The latest time to include.
    pub until: Timestamp,
    /// The time and the id of the last session of the page before; `None` for the first page.
    pub after: Option<(Timestamp, SessionId)>,
    /// The greatest number of sessions to return.
    pub limit: u64,
}

impl TimeoutQuery {
    /// Creates a query for the first page of all providers.
    #[must_use]
    pub fn new(by: TimeoutBasis, until: Timestamp, limit: u64) -> Self {
        Self { by, providers: ProviderSelection::all(), until, after: None, limit }
    }

    /// Sets the providers.
    #[must_use]
    pub fn of(mut self, providers: ProviderSelection) -> Self {
        self.providers = providers;
        self
    }

    /// Sets the last session of the page before, after which this page begins.
    #[must_use]
    pub fn after(mut self, last: Option<(Timestamp, SessionId)>) -> Self {
        self.after = last;
        self
    }
}

//! The audit trail of sessions.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::event::{Change, ChangePosition, Event, EventName};
use crate::session::SessionId;
use crate::store::StoreError;

/// Keeps what happened to sessions, for the audit trail (A1).
///
/// Admissions, ends and renewals record their events themselves, in the same effect.
#[async_trait]
pub trait EventLog {
    /// Records an event that no other method records, such as a failed renewal.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer. A repetition may record it twice.
    async fn record(&self, event: Event) -> Result<(), StoreError>;

    /// Returns the events of a session, oldest first, also after the session was purged.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError>;

    /// Returns a page of what changed sessions since a moment, in the order of their positions.
    ///
    /// Used to learn of changes on other nodes with one query, however many sessions are held. An
    /// event that was recorded by a clock that is behind, or committed late, may come to stand
    /// before a page that was read already.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn list_changes(&self, query: ChangesQuery) -> Result<Vec<Change>, StoreError>;

    /// Deletes at most `limit` events of this kind from before `before`, and returns how many
    /// (law 9).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer; some of the events may be deleted.
    async fn purge_events(
        &self,
        kind: EventName,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError>;
}

/// A page of what changed sessions since a moment.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ChangesQuery {
    /// The earliest change to include.
    pub since: Timestamp,
    /// The last change of the page before; `None` for the first page.
    pub after: Option<ChangePosition>,
    /// The greatest number of changes to return.
    pub limit: u64,
}

impl ChangesQuery {
    /// Creates a query for the first page.
    #[must_use]
    pub const fn new(since: Timestamp, limit: u64) -> Self {
        Self { since, after: None, limit }
    }

    /// Sets the last change of the page before, after which this page begins.
    #[must_use]
    pub const fn after(mut self, last: Option<ChangePosition>) -> Self {
        self.after = last;
        self
    }
}

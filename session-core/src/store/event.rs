//! The audit trail of sessions.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::event::{Event, EventName};
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

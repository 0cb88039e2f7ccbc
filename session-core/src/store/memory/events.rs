//! The audit trail of sessions.

use async_trait::async_trait;

use super::{MemoryStore, count};
use crate::clock::Timestamp;
use crate::event::{Event, EventName};
use crate::session::SessionId;
use crate::store::{EventLog, StoreError};

#[async_trait]
impl EventLog for MemoryStore {
    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.state().events.push(event);
        Ok(())
    }

    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError> {
        let state = self.state();
        let mut events: Vec<Event> =
            state.events.iter().filter(|event| event.session == id).cloned().collect();
        events.sort_by_key(|event| event.at);
        Ok(events)
    }

    async fn purge_events(
        &self,
        kind: EventName,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let events = &mut self.state().events;
        let (mut left, known) = (limit, events.len());
        events.retain(|event| {
            let is_purged = event.kind.name() == kind && event.at < before && left > 0;
            left -= u64::from(is_purged);
            !is_purged
        });
        Ok(count(known - events.len()))
    }
}

//! The audit trail of sessions.

use async_trait::async_trait;

use super::{MemoryStore, at_most, count};
use crate::clock::Timestamp;
use uuid::Uuid;

use crate::event::{Change, ChangePosition, Event, EventName};
use crate::session::SessionId;
use crate::store::{ChangesQuery, EventLog, StoreError};

#[async_trait]
impl EventLog for MemoryStore {
    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.state().add_event(event);
        Ok(())
    }

    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError> {
        let state = self.state();
        Ok(state.events.values().filter(|event| event.session == id).cloned().collect())
    }

    async fn list_changes(&self, query: ChangesQuery) -> Result<Vec<Change>, StoreError> {
        let state = self.state();
        let first = ChangePosition { at: query.since, id: Uuid::nil() };
        let changes = state
            .events
            .range(first..)
            .filter(|(position, event)| {
                event.kind.name().is_change() && Some(**position) > query.after
            })
            .map(|(position, event)| Change::new(event.session, event.kind, *position));
        Ok(changes.take(at_most(query.limit)).collect())
    }

    async fn purge_events(
        &self,
        kind: EventName,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let events = &mut self.state().events;
        let is_purged = |event: &Event| event.kind.name() == kind && event.at < before;
        let purged: Vec<_> = events
            .iter()
            .filter(|(_, event)| is_purged(event))
            .map(|(position, _)| *position)
            .take(at_most(limit))
            .collect();
        purged.iter().for_each(|position| drop(events.remove(position)));
        Ok(count(purged.len()))
    }
}

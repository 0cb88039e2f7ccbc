//! What happened to sessions.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::SeaOrmStore;
use super::convert::{self, event_row};
use super::entity::event;
use super::failure::Failure;
use super::read::CHUNK;
use crate::event::Event;
use crate::session::SessionId;
use crate::store::StoreError;

impl SeaOrmStore {
    /// Records events within a transaction.
    pub(super) async fn insert_events(
        &self,
        connection: &impl ConnectionTrait,
        events: &[Event],
    ) -> Result<(), Failure> {
        for events in events.chunks(CHUNK) {
            let insert = event::Entity::insert_many(events.iter().map(event_row));
            let inserted = insert.exec_without_returning(connection).await;
            inserted.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Records one event. A repetition has the same id, and finds it where the answer was lost.
    pub(super) async fn record_event(&self, event: &Event) -> Result<(), StoreError> {
        let row = event_row(event);
        self.repeat(|_| async {
            let insert = event::Entity::insert(row.clone()).on_conflict_do_nothing();
            let inserted = insert.exec_without_returning(&self.connection).await;
            inserted.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }

    pub(super) async fn events_of(&self, id: SessionId) -> Result<Vec<Event>, StoreError> {
        self.repeat(|_| async move {
            let rows = event::Entity::find()
                .filter(event::Column::SessionId.eq(id.as_uuid()))
                .order_by_asc(event::Column::At)
                .order_by_asc(event::Column::Id)
                .all(&self.connection)
                .await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(convert::event).collect()
        })
        .await
    }
}

//! The audit trail of sessions.

use async_trait::async_trait;
use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::attempt_error::AttemptError;
use super::convert::{self, event_row};
use super::entity::event::{self, Column};
use super::lookup::CHUNK;
use super::store::SeaOrmStore;
use crate::clock::Timestamp;
use crate::event::{Event, EventName};
use crate::session::SessionId;
use crate::store::{EventLog, StoreError};

#[async_trait]
impl EventLog for SeaOrmStore {
    /// A repetition within this call has the same id, and finds the event if its answer was lost.
    async fn record(&self, event: Event) -> Result<(), StoreError> {
        let row = event_row(&event);
        self.repeat(|_| async {
            let insert = event::Entity::insert(row.clone()).on_conflict_do_nothing();
            let inserted = insert.exec_without_returning(&self.pool).await;
            inserted.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }

    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError> {
        self.repeat(|_| async move {
            let rows = event::Entity::find()
                .filter(Column::SessionId.eq(id.as_uuid()))
                .order_by_asc(Column::At)
                .order_by_asc(Column::Id)
                .all(&self.pool)
                .await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(convert::event).collect()
        })
        .await
    }

    async fn purge_events(
        &self,
        kind: EventName,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let ids = self.repeat(|_| self.events_before(kind, before, limit)).await?;
        let mut deleted = 0;
        for chunk in ids.chunks(CHUNK) {
            deleted += self.repeat(|_| self.delete_events(chunk)).await?;
        }
        Ok(deleted)
    }
}

impl SeaOrmStore {
    async fn events_before(
        &self,
        kind: EventName,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<Uuid>, AttemptError> {
        let ids = event::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Kind.eq(kind.as_str()))
            .filter(Column::At.lt(before.as_millis()))
            .order_by_asc(Column::At)
            .limit(limit)
            .into_tuple()
            .all(&self.pool)
            .await;
        ids.map_err(|error| self.failed(error))
    }

    async fn delete_events(&self, ids: &[Uuid]) -> Result<u64, AttemptError> {
        let deleted = event::Entity::delete_many()
            .filter(Column::Id.is_in(ids.iter().copied()))
            .exec(&self.pool)
            .await;
        Ok(deleted.map_err(|error| self.write_failed(error))?.rows_affected)
    }
}

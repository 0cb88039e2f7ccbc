//! The audit trail of sessions.

use async_trait::async_trait;
use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::attempt_error::AttemptError;
use super::convert::{self, event_row};
use super::entity::event::{self, Column};
use super::lookup::CHUNK;
use super::store::SeaOrmStore;
use crate::clock::Timestamp;
use crate::event::{Change, ChangePosition, Event, EventKind, EventName};
use crate::session::SessionId;
use crate::store::{ChangesQuery, EventLog, StoreError};

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

    async fn list_changes(&self, query: ChangesQuery) -> Result<Vec<Change>, StoreError> {
        let behind = query.after.map(|ChangePosition { at, id }| {
            let later = Condition::any().add(Column::At.gt(at.as_millis())).add(Column::Id.gt(id));
            Condition::all().add(Column::At.gte(at.as_millis())).add(later)
        });
        let kinds = EventName::ALL.into_iter().filter(|kind| kind.is_change());
        let select = event::Entity::find()
            .select_only()
            .columns([Column::Id, Column::SessionId, Column::Kind, Column::Detail, Column::At])
            .filter(Column::Kind.is_in(kinds.map(EventName::as_str)))
            .filter(Column::At.gte(query.since.as_millis()))
            .filter(Condition::all().add_option(behind))
            .order_by_asc(Column::At)
            .order_by_asc(Column::Id)
            .limit(query.limit);
        self.repeat(|_| async {
            let rows = select.clone().into_tuple::<ChangeRow>().all(&self.pool).await;
            rows.map_err(|error| self.failed(error))?.into_iter().map(change).collect()
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

/// The id, session, kind, detail and time of an event.
type ChangeRow = (Uuid, Uuid, String, Option<String>, i64);

fn change((id, session, kind, detail, at): ChangeRow) -> Result<Change, AttemptError> {
    let kind = EventKind::parse(&kind, detail.as_deref());
    let kind = kind.ok_or_else(|| AttemptError::corrupt("an event's kind"))?;
    let position = ChangePosition { at: Timestamp::from_millis(at), id };
    Ok(Change::new(SessionId::from_uuid(session), kind, position))
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

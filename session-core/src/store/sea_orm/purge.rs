//! Deleting what is over, in batches along an index (store law 9).

use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::SeaOrmStore;
use super::entity::{event, session};
use super::failure::Failure;
use super::read::CHUNK;
use crate::clock::Timestamp;
use crate::store::StoreError;

impl SeaOrmStore {
    /// Rows are found first and deleted by their ids: that locks these rows and nothing between
    /// them, and ended rows do not change. The partitions' lock rows stay: there are as many as
    /// there were users and providers, and no place in the order of admission is given twice.
    pub(super) async fn delete_ended(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let over = self.repeat(|_| self.ended_before(before, limit)).await?;
        let mut deleted = 0;
        for chunk in over.chunks(CHUNK) {
            deleted += self.repeat(|_| self.delete_sessions(chunk, before)).await?;
        }
        Ok(deleted)
    }

    async fn ended_before(&self, before: Timestamp, limit: u64) -> Result<Vec<Uuid>, Failure> {
        let over = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::EndedAt.lt(before.as_millis()))
            .order_by_asc(session::Column::EndedAt)
            .limit(limit)
            .into_tuple()
            .all(&self.connection)
            .await;
        over.map_err(|error| self.failed(error))
    }

    async fn delete_sessions(&self, over: &[Uuid], before: Timestamp) -> Result<u64, Failure> {
        let deleted = session::Entity::delete_many()
            .filter(session::Column::Id.is_in(over.iter().copied()))
            .filter(session::Column::EndedAt.lt(before.as_millis()))
            .exec(&self.connection)
            .await;
        Ok(deleted.map_err(|error| self.write_failed(error))?.rows_affected)
    }

    pub(super) async fn delete_events(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let over = self.repeat(|_| self.events_before(before, limit)).await?;
        let mut deleted = 0;
        for chunk in over.chunks(CHUNK) {
            deleted += self.repeat(|_| self.delete_events_of(chunk)).await?;
        }
        Ok(deleted)
    }

    async fn events_before(&self, before: Timestamp, limit: u64) -> Result<Vec<Uuid>, Failure> {
        let over = event::Entity::find()
            .select_only()
            .column(event::Column::Id)
            .filter(event::Column::At.lt(before.as_millis()))
            .order_by_asc(event::Column::At)
            .limit(limit)
            .into_tuple()
            .all(&self.connection)
            .await;
        over.map_err(|error| self.failed(error))
    }

    async fn delete_events_of(&self, ids: &[Uuid]) -> Result<u64, Failure> {
        let deleted = event::Entity::delete_many()
            .filter(event::Column::Id.is_in(ids.iter().copied()))
            .exec(&self.connection)
            .await;
        Ok(deleted.map_err(|error| self.write_failed(error))?.rows_affected)
    }
}

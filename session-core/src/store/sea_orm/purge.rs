//! Deleting what is over, in batches along an index (store law 9).

use std::collections::BTreeSet;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::SeaOrmStore;
use super::entity::{Octets, admission_lock, event, session};
use super::failure::Failure;
use super::read::CHUNK;
use crate::clock::Timestamp;
use crate::store::StoreError;

impl SeaOrmStore {
    /// Rows are found first and deleted by their ids: that locks these rows and nothing between
    /// them, and ended rows do not change.
    pub(super) async fn delete_ended(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        let over = self.repeat(|_| self.ended_before(before, limit)).await?;
        let mut deleted = 0;
        for chunk in over.chunks(CHUNK) {
            deleted += self.repeat(|_| self.delete_sessions(chunk, before)).await?;
            self.repeat(|_| self.delete_idle_locks(chunk)).await?;
        }
        Ok(deleted)
    }

    async fn ended_before(
        &self,
        before: Timestamp,
        limit: u64,
    ) -> Result<Vec<(Uuid, Octets)>, Failure> {
        let over = session::Entity::find()
            .select_only()
            .columns([session::Column::Id, session::Column::PartitionKey])
            .filter(session::Column::EndedAt.lt(before.as_millis()))
            .order_by_asc(session::Column::EndedAt)
            .limit(limit)
            .into_tuple()
            .all(&self.connection)
            .await;
        over.map_err(|error| self.failed(error))
    }

    async fn delete_sessions(
        &self,
        over: &[(Uuid, Octets)],
        before: Timestamp,
    ) -> Result<u64, Failure> {
        let deleted = session::Entity::delete_many()
            .filter(session::Column::Id.is_in(over.iter().map(|(id, _)| *id)))
            .filter(session::Column::EndedAt.lt(before.as_millis()))
            .exec(&self.connection)
            .await;
        Ok(deleted.map_err(|error| self.write_failed(error))?.rows_affected)
    }

    /// Deletes lock rows of partitions without a session. One that a login needs at this moment
    /// comes back with it, and the order of admission goes on behind the sessions that are there.
    async fn delete_idle_locks(&self, over: &[(Uuid, Octets)]) -> Result<(), Failure> {
        let partitions: BTreeSet<&[u8]> =
            over.iter().map(|(_, partition)| partition.0.as_slice()).collect();
        let partitions = partitions.into_iter().map(|partition| Octets(partition.to_vec()));
        let sessions = Query::select()
            .expr(Expr::val(1_i32))
            .from(session::Entity)
            .and_where(
                Expr::col((session::Entity, session::Column::PartitionKey))
                    .equals((admission_lock::Entity, admission_lock::Column::PartitionKey)),
            )
            .take();
        let deleted = admission_lock::Entity::delete_many()
            .filter(admission_lock::Column::PartitionKey.is_in(partitions))
            .filter(Expr::exists(sessions).not())
            .exec(&self.connection)
            .await;
        deleted.map(drop).map_err(|error| self.write_failed(error))
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

//! Admitting, ending and purging sessions.

use async_trait::async_trait;
#[cfg(feature = "postgres")]
use sea_orm::DbBackend;
use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::admit::PendingAdmission;
use super::attempt_error::AttemptError;
use super::end::Ending;
use super::entity::session::{self, Column};
use super::lookup::CHUNK;
use super::migrated::is_of_no_open_migration;
use super::retry::Attempt;
use super::store::SeaOrmStore;
use crate::clock::Timestamp;
use crate::session::EndCause;
use crate::store::{
    Admission, Decide, EndTarget, EndedSession, NewSession, SessionLifecycle, StoreError,
};

/// How many races an admission may lose before it waits for its turn.
#[cfg(feature = "postgres")]
const MAX_LOST_RACES: u32 = 2;

/// Returns whether an admission may do without locks until its last statement. Its outcome must be
/// known: under the lock of the partition it is found out.
#[cfg(feature = "postgres")]
const fn may_race(attempt: Attempt) -> bool {
    !attempt.is_uncertain && attempt.conflicts < MAX_LOST_RACES
}

#[async_trait]
impl SessionLifecycle for SeaOrmStore {
    async fn admit(&self, new: NewSession, decide: &Decide<'_>) -> Result<Admission, StoreError> {
        let login = PendingAdmission::new(&new, decide)?;
        self.repeat(|attempt| self.attempt_admission(&login, attempt)).await
    }

    async fn end(
        &self,
        target: EndTarget,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let Some(ending) = Ending::new(&target, cause, now) else { return Ok(Vec::new()) };
        self.repeat(|attempt| self.attempt_end(&ending, attempt)).await
    }

    /// Finds the rows first and deletes them by their ids: that locks these rows and nothing
    /// between them, and ended rows do not change. The lock rows of the partitions stay: there are
    /// as many as users and providers, and an order of admission is never given twice.
    async fn purge_ended(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let ids = self.repeat(|_| self.ended_before(before, limit)).await?;
        let mut deleted = 0;
        for chunk in ids.chunks(CHUNK) {
            deleted += self.repeat(|_| self.delete_ended(chunk, before)).await?;
        }
        Ok(deleted)
    }
}

impl SeaOrmStore {
    async fn attempt_admission(
        &self,
        login: &PendingAdmission<'_>,
        attempt: Attempt,
    ) -> Result<Admission, AttemptError> {
        #[cfg(feature = "postgres")]
        if self.backend == DbBackend::Postgres && may_race(attempt) {
            let lent = self.pool.lend().await.map_err(|error| self.failed(error))?;
            if let Some(connection) = lent {
                return self.admit_at_once(&connection, login).await;
            }
        }
        self.try_to_admit(login, attempt).await
    }

    async fn attempt_end(
        &self,
        ending: &Ending,
        attempt: Attempt,
    ) -> Result<Vec<EndedSession>, AttemptError> {
        #[cfg(feature = "postgres")]
        if self.backend == DbBackend::Postgres {
            return self.end_at_once(ending, attempt).await;
        }
        self.try_to_end(ending, attempt).await
    }

    async fn ended_before(&self, before: Timestamp, limit: u64) -> Result<Vec<Uuid>, AttemptError> {
        let ids = session::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::EndedAt.lt(before.as_millis()))
            .filter(is_of_no_open_migration())
            .order_by_asc(Column::EndedAt)
            .limit(limit)
            .into_tuple()
            .all(&self.pool)
            .await;
        ids.map_err(|error| self.failed(error))
    }

    async fn delete_ended(&self, ids: &[Uuid], before: Timestamp) -> Result<u64, AttemptError> {
        let deleted = session::Entity::delete_many()
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Column::EndedAt.lt(before.as_millis()))
            .filter(is_of_no_open_migration())
            .exec(&self.pool)
            .await;
        Ok(deleted.map_err(|error| self.write_failed(error))?.rows_affected)
    }
}

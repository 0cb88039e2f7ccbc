//! The outbox of refresh tokens that are to be revoked (store law 11).

use async_trait::async_trait;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::attempt_error::AttemptError;
use super::convert::{self, revocation_row};
use super::entity::revocation::{self, Column};
use super::lookup::CHUNK;
use super::store::SeaOrmStore;
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::store::{
    PendingRevocation, RevocationBacklog, RevocationId, RevocationOutbox, StoreError,
};

#[async_trait]
impl RevocationOutbox for SeaOrmStore {
    async fn enqueue_revocation(&self, revocation: PendingRevocation) -> Result<(), StoreError> {
        let row = revocation_row(&revocation);
        self.repeat(|_| async {
            let insert = revocation::Entity::insert(row.clone()).on_conflict_do_nothing();
            let inserted = insert.exec_without_returning(&self.pool).await;
            inserted.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }

    async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.repeat(|_| self.try_to_claim(now, until, limit)).await
    }

    async fn postpone_revocation(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.repeat(|_| async move {
            let postponed = revocation::Entity::update_many()
                .col_expr(Column::DueAt, Expr::val(due_at.as_millis()))
                .filter(Column::Id.eq(id.as_uuid()))
                .exec(&self.pool)
                .await;
            postponed.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }

    async fn revocation_backlog(&self) -> Result<RevocationBacklog, StoreError> {
        let select = revocation::Entity::find()
            .select_only()
            .expr(Column::Id.count())
            .expr(Column::CreatedAt.min());
        self.repeat(|_| async {
            let found = select.clone().into_tuple::<(i64, Option<i64>)>().one(&self.pool).await;
            let (count, oldest) = found.map_err(|error| self.failed(error))?.unwrap_or_default();
            let count = u64::try_from(count).unwrap_or_default();
            Ok(RevocationBacklog { count, oldest: oldest.map(Timestamp::from_millis) })
        })
        .await
    }

    async fn complete_revocation(&self, id: RevocationId) -> Result<(), StoreError> {
        self.repeat(|_| async move {
            let delete = revocation::Entity::delete_by_id(id.as_uuid());
            let deleted = delete.exec(&self.pool).await;
            deleted.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }
}

impl SeaOrmStore {
    async fn try_to_claim(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, AttemptError> {
        let mut transaction = self.begin().await?;
        let claimed = match self.claim_within(&mut transaction, now, until, limit).await {
            Ok(claimed) if !claimed.is_empty() => {
                transaction.commit().await?;
                claimed
            }
            other => {
                let rolled_back = transaction.roll_back().await;
                let claimed = other?;
                rolled_back?;
                claimed
            }
        };
        claimed.into_iter().map(convert::revocation).collect()
    }

    async fn claim_within(
        &self,
        transaction: &mut Transaction,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<revocation::Model>, AttemptError> {
        let due = revocation::Entity::find()
            .filter(Column::DueAt.lte(now.as_millis()))
            .order_by_asc(Column::DueAt)
            .order_by_asc(Column::Id)
            .limit(limit)
            // Skips what another process is claiming at this moment.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(transaction.connection().await?)
            .await;
        let mut due = due.map_err(|error| self.failed(error))?;
        self.mark_claimed(transaction, &due, until).await?;
        for row in &mut due {
            row.due_at = until.as_millis();
            row.attempts += 1;
        }
        Ok(due)
    }

    async fn mark_claimed(
        &self,
        transaction: &mut Transaction,
        due: &[revocation::Model],
        until: Timestamp,
    ) -> Result<(), AttemptError> {
        for rows in due.chunks(CHUNK) {
            let claimed = revocation::Entity::update_many()
                .col_expr(Column::DueAt, Expr::val(until.as_millis()))
                .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1_i64))
                .filter(Column::Id.is_in(rows.iter().map(|row| row.id)))
                .exec(transaction.connection().await?)
                .await;
            claimed.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }
}

//! The outbox of refresh tokens that are to be revoked (store law 11).

use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::SeaOrmStore;
use super::convert::{self, revocation_row, seal_key, sealed_octets};
use super::entity::revocation::{self, Column};
use super::failure::Failure;
use super::read::CHUNK;
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::store::{PendingRevocation, RevocationId, StoreError};
use crate::token::Sealed;

impl SeaOrmStore {
    /// Puts a revocation in; one that is in already stays as it is, so that whoever got no answer
    /// may ask again.
    pub(super) async fn enqueue(&self, revocation: &PendingRevocation) -> Result<(), StoreError> {
        let row = revocation_row(revocation);
        self.repeat(|_| async {
            let insert = revocation::Entity::insert(row.clone()).on_conflict_do_nothing();
            let inserted = insert.exec_without_returning(&self.connection).await;
            inserted.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }

    /// Takes what is due. Where the answer of a commit is lost, what it took comes back by itself
    /// at `until`.
    pub(super) async fn claim_due(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.repeat(|_| self.try_to_claim(now, until, limit)).await
    }

    async fn try_to_claim(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, Failure> {
        let transaction = self.begin().await?;
        let due = revocation::Entity::find()
            .filter(Column::DueAt.lte(now.as_millis()))
            .order_by_asc(Column::DueAt)
            .order_by_asc(Column::Id)
            .limit(limit)
            // What another process is taking at this moment is his.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&transaction.inner)
            .await;
        let mut due = due.map_err(|error| self.failed(error))?;
        if due.is_empty() {
            transaction.abandon().await?;
            return Ok(Vec::new());
        }
        self.take(&transaction, &due, until).await?;
        transaction.commit().await?;
        for row in &mut due {
            row.due_at = until.as_millis();
            row.attempts += 1;
        }
        due.into_iter().map(convert::revocation).collect()
    }

    async fn take(
        &self,
        transaction: &Transaction,
        due: &[revocation::Model],
        until: Timestamp,
    ) -> Result<(), Failure> {
        for rows in due.chunks(CHUNK) {
            let taken = revocation::Entity::update_many()
                .col_expr(Column::DueAt, Expr::val(until.as_millis()))
                .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1_i64))
                .filter(Column::Id.is_in(rows.iter().map(|row| row.id)))
                .exec(&transaction.inner)
                .await;
            taken.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    pub(super) async fn postpone(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.repeat(|_| async move {
            let postponed = revocation::Entity::update_many()
                .col_expr(Column::DueAt, Expr::val(due_at.as_millis()))
                .filter(Column::Id.eq(id.as_uuid()))
                .exec(&self.connection)
                .await;
            postponed.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }

    pub(super) async fn settle(&self, id: RevocationId) -> Result<(), StoreError> {
        self.repeat(|_| async move {
            let delete = revocation::Entity::delete_by_id(id.as_uuid());
            let settled = delete.exec(&self.connection).await;
            settled.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }

    pub(super) async fn seal_pending_anew(
        &self,
        id: RevocationId,
        sealed: &Sealed,
    ) -> Result<(), StoreError> {
        self.repeat(|_| async move {
            let resealed = revocation::Entity::update_many()
                .col_expr(Column::SealedRefreshToken, Expr::val(sealed_octets(sealed)))
                .col_expr(Column::SealKey, Expr::val(seal_key(sealed)))
                .filter(Column::Id.eq(id.as_uuid()))
                .exec(&self.connection)
                .await;
            resealed.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }
}

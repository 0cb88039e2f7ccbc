//! Updates of one live row: each names what it has read, and none inserts (store law 3).

use async_trait::async_trait;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, UpdateMany,
};

use super::attempt_error::AttemptError;
use super::convert::{digest_octets, seal_key, sealed_octets, signed};
use super::entity::{Octets, event, session};
use super::retry::Attempt;
use super::store::SeaOrmStore;
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::event::EventKind;
use crate::session::{SecretDigest, SessionId};
use crate::store::{SecretRotation, SessionUpdates, StoreError, TokenWrite};
use crate::token::SealedTokens;
use session::Column;

#[async_trait]
impl SessionUpdates for SeaOrmStore {
    async fn write_tokens(&self, write: TokenWrite) -> Result<Option<u64>, StoreError> {
        self.repeat(|attempt| self.try_to_write(&write, attempt)).await
    }

    async fn rotate_secret(&self, rotation: SecretRotation) -> Result<bool, StoreError> {
        self.repeat(|attempt| self.try_to_rotate(&rotation, attempt)).await
    }

    async fn confirm_rotation(
        &self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.repeat(|_| {
            let update = update_live(id)
                .col_expr(Column::ConfirmedAt, Expr::val(now.as_millis()))
                .filter(Column::Digest.eq(digest_octets(presented)))
                .filter(Column::PreviousDigest.is_not_null())
                .filter(Column::ConfirmedAt.is_null());
            self.update(update)
        })
        .await
        .map(drop)
    }

    async fn touch(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.repeat(|_| {
            let update = update_live(id)
                .col_expr(Column::LastSeenAt, Expr::val(at.as_millis()))
                .filter(Column::LastSeenAt.lt(at.as_millis()));
            self.update(update)
        })
        .await
        .map(drop)
    }
}

/// Begins an update of a live session.
pub(super) fn update_live(id: SessionId) -> UpdateMany<session::Entity> {
    session::Entity::update_many()
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::EndedAt.is_null())
}

/// Adds the columns of sealed tokens to an update.
pub(super) fn set_tokens(
    update: UpdateMany<session::Entity>,
    tokens: &SealedTokens,
) -> UpdateMany<session::Entity> {
    let refresh_token = tokens.refresh_token.as_ref().map(sealed_octets);
    update
        .col_expr(Column::SealedTokens, Expr::val(Some(sealed_octets(&tokens.tokens))))
        .col_expr(Column::SealedRefreshToken, Expr::val(refresh_token))
        .col_expr(Column::SealKey, Expr::val(Some(seal_key(&tokens.tokens))))
}

fn raised_revision() -> Expr {
    Expr::col(Column::Revision).add(1_i64)
}

impl SeaOrmStore {
    /// Runs an update that commits by itself; returns whether it found its row.
    pub(super) async fn update(
        &self,
        update: UpdateMany<session::Entity>,
    ) -> Result<bool, AttemptError> {
        let updated = update.exec(&self.connection).await;
        Ok(updated.map_err(|error| self.write_failed(error))?.rows_affected > 0)
    }

    async fn try_to_write(
        &self,
        write: &TokenWrite,
        attempt: Attempt,
    ) -> Result<Option<u64>, AttemptError> {
        let transaction = self.begin().await?;
        let update = set_tokens(update_live(write.id), &write.tokens)
            .col_expr(Column::RenewedAt, Expr::val(write.now.as_millis()))
            .col_expr(Column::Revision, raised_revision())
            .filter(Column::Revision.eq(signed(write.revision)));
        let updated = update.exec(&transaction.inner).await;
        let updated = updated.map_err(|error| self.failed(error))?.rows_affected > 0;
        if updated {
            self.record_renewal(&transaction, write).await?;
            transaction.commit().await?;
        } else {
            transaction.roll_back().await?;
        }
        let written = updated || (attempt.is_uncertain && self.was_written(write).await?);
        Ok(written.then(|| write.revision.saturating_add(1)))
    }

    /// Returns whether an attempt whose outcome was unknown wrote these tokens: no two sealed
    /// values have the same nonce.
    async fn was_written(&self, write: &TokenWrite) -> Result<bool, AttemptError> {
        let sealed = session::Entity::find_by_id(write.id.as_uuid())
            .select_only()
            .column(Column::SealedTokens)
            .into_tuple::<Option<Octets>>()
            .one(&self.connection)
            .await;
        let sealed = sealed.map_err(|error| self.failed(error))?.flatten();
        Ok(sealed == Some(sealed_octets(&write.tokens.tokens)))
    }

    /// Records the event of a renewal; user and provider are copied from the row.
    async fn record_renewal(
        &self,
        transaction: &Transaction,
        write: &TokenWrite,
    ) -> Result<(), AttemptError> {
        use event::Column as To;

        let (kind, detail) = EventKind::Renewed.as_strs();
        let select = Query::select()
            .expr(Expr::val(Uuid::now_v7()))
            .columns([Column::Id, Column::UserId, Column::Provider])
            .expr(Expr::val(kind))
            .expr(Expr::val(detail))
            .expr(Expr::val(write.now.as_millis()))
            .from(session::Entity)
            .and_where(Column::Id.eq(write.id.as_uuid()))
            .take();
        let columns = [To::Id, To::SessionId, To::UserId, To::Provider, To::Kind, To::Detail];
        let columns = columns.into_iter().chain([To::At]);
        let mut insert = Query::insert().into_table(event::Entity).columns(columns).take();
        let insert = insert
            .select_from(select)
            .map_err(|error| self.failed(DbErr::Custom(error.to_string())))?;
        let inserted = transaction.inner.execute(&*insert).await;
        inserted.map(drop).map_err(|error| self.failed(error))
    }

    async fn try_to_rotate(
        &self,
        rotation: &SecretRotation,
        attempt: Attempt,
    ) -> Result<bool, AttemptError> {
        let previous = rotation.previous.as_ref();
        let to = digest_octets(&rotation.to);
        let update = update_live(rotation.id)
            .col_expr(Column::Digest, Expr::val(to.clone()))
            .col_expr(
                Column::PreviousDigest,
                Expr::val(previous.map(|previous| digest_octets(&previous.digest))),
            )
            .col_expr(
                Column::RotatedAt,
                Expr::val(previous.map(|previous| previous.rotated_at.as_millis())),
            )
            .col_expr(
                Column::ConfirmedAt,
                Expr::val(previous.and_then(|p| p.confirmed_at).map(Timestamp::as_millis)),
            )
            .col_expr(Column::Revision, raised_revision())
            .filter(match &rotation.from {
                Some(digest) => Column::Digest.eq(digest_octets(digest)),
                None => Column::Digest.is_null(),
            });
        if self.update(update).await? {
            return Ok(true);
        }
        // The new secret is known to this caller only, so no other one can have written its digest.
        Ok(attempt.is_uncertain && self.has_digest(rotation.id, to).await?)
    }

    async fn has_digest(&self, id: SessionId, digest: Octets) -> Result<bool, AttemptError> {
        let found = session::Entity::find_by_id(id.as_uuid())
            .select_only()
            .column(Column::Id)
            .filter(Column::Digest.eq(digest))
            .into_tuple::<Uuid>()
            .one(&self.connection)
            .await;
        Ok(found.map_err(|error| self.failed(error))?.is_some())
    }
}

//! Updates of one live row: each names what it has read, and none inserts (store law 3).

use async_trait::async_trait;
#[cfg(feature = "postgres")]
use sea_orm::DbBackend;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, UpdateMany};

use super::attempt_error::AttemptError;
use super::convert::{check_texts, digest_octets, revocation_row, sealed_octets};
use super::entity::{Octets, revocation, session};
use super::live_update::{
    raised_revision, renewal, set_authentication, set_digests, step_up, update_live,
};
use super::retry::Attempt;
use super::store::SeaOrmStore;
use super::text;
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::event::EventName;
use crate::session::{Authentication, SecretDigest, SessionId};
use crate::store::{SecretRotation, SessionUpdates, StepUpWrite, StoreError, TokenWrite};
use session::Column;

#[async_trait]
impl SessionUpdates for SeaOrmStore {
    async fn write_tokens(&self, write: TokenWrite) -> Result<Option<u64>, StoreError> {
        self.repeat(|attempt| self.try_to_write(&write, attempt)).await
    }

    async fn step_up(&self, write: StepUpWrite) -> Result<Option<u64>, StoreError> {
        self.repeat(|attempt| self.try_to_step_up(&write, attempt)).await
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

impl SeaOrmStore {
    /// Runs an update that commits by itself; returns whether it found its row.
    pub(super) async fn update(
        &self,
        update: UpdateMany<session::Entity>,
    ) -> Result<bool, AttemptError> {
        let updated = update.exec(&self.pool).await;
        Ok(updated.map_err(|error| self.write_failed(error))?.rows_affected > 0)
    }

    async fn try_to_write(
        &self,
        write: &TokenWrite,
        attempt: Attempt,
    ) -> Result<Option<u64>, AttemptError> {
        let updated = match self.backend {
            #[cfg(feature = "postgres")]
            DbBackend::Postgres => self.write_at_once(write).await?,
            _ => self.write_in_transaction(write).await?,
        };
        let written = updated || (attempt.is_uncertain && self.was_written(write).await?);
        Ok(written.then(|| write.revision.saturating_add(1)))
    }

    async fn write_in_transaction(&self, write: &TokenWrite) -> Result<bool, AttemptError> {
        let mut transaction = self.begin().await?;
        let updated = match transaction.connection().await {
            Ok(connection) => {
                let updated = renewal(write).exec(connection).await;
                updated.map_err(|error| self.failed(error)).map(|done| done.rows_affected > 0)
            }
            Err(error) => Err(error),
        };
        if let Ok(true) = updated {
            transaction.defer(&self.event_sql(write, EventName::Renewed));
            transaction.commit().await?;
        } else {
            transaction.roll_back().await?;
        }
        updated
    }

    async fn try_to_step_up(
        &self,
        write: &StepUpWrite,
        attempt: Attempt,
    ) -> Result<Option<u64>, AttemptError> {
        let texts = [&write.sid, &write.authentication.acr, &None, &None];
        check_texts(texts).map_err(AttemptError::new)?;
        let mut transaction = self.begin().await?;
        match self.step_up_within(&mut transaction, write).await {
            Ok(true) => transaction.commit().await?,
            Ok(false) => {
                transaction.roll_back().await?;
                // The new secret is known to this caller only: an earlier attempt has written it.
                let id = write.tokens.id;
                if !(attempt.is_uncertain && self.has_digest(id, digest_octets(&write.to)).await?) {
                    return Ok(None);
                }
            }
            Err(error) => {
                transaction.roll_back().await?;
                return Err(error);
            }
        }
        Ok(Some(write.tokens.revision.saturating_add(1)))
    }

    async fn step_up_within(
        &self,
        transaction: &mut Transaction,
        write: &StepUpWrite,
    ) -> Result<bool, AttemptError> {
        let connection = transaction.connection().await?;
        let updated = step_up(write).exec(connection).await.map_err(|error| self.failed(error))?;
        if updated.rows_affected == 0 {
            return Ok(false);
        }
        if let Some(revocation) = &write.revokes {
            let insert = revocation::Entity::insert(revocation_row(revocation));
            let inserted = insert.exec_without_returning(connection).await;
            inserted.map_err(|error| self.failed(error))?;
        }
        transaction.defer(&self.event_sql(&write.tokens, EventName::SteppedUp));
        Ok(true)
    }

    /// Returns the statement that records the event of a write; user and provider are copied from
    /// the row.
    fn event_sql(&self, write: &TokenWrite, kind: EventName) -> String {
        format!(
            "INSERT INTO login_session_event (id, session_id, user_id, provider, kind, detail, at) \
             SELECT {}, id, user_id, provider, '{}', NULL, {} FROM login_session WHERE id = {}",
            text::uuid(self.backend, Uuid::now_v7()),
            kind.as_str(),
            write.now.as_millis(),
            text::uuid(self.backend, write.id.as_uuid())
        )
    }

    /// Returns whether an attempt whose outcome was unknown wrote these tokens: no two sealed
    /// values have the same nonce.
    async fn was_written(&self, write: &TokenWrite) -> Result<bool, AttemptError> {
        let sealed = session::Entity::find_by_id(write.id.as_uuid())
            .select_only()
            .column(Column::SealedTokens)
            .into_tuple::<Option<Octets>>()
            .one(&self.pool)
            .await;
        let sealed = sealed.map_err(|error| self.failed(error))?.flatten();
        Ok(sealed == Some(sealed_octets(&write.tokens.tokens)))
    }

    async fn try_to_rotate(
        &self,
        rotation: &SecretRotation,
        attempt: Attempt,
    ) -> Result<bool, AttemptError> {
        let to = digest_octets(&rotation.to);
        let update = update_live(rotation.id);
        let mut update = set_digests(update, &rotation.to, rotation.previous, rotation.now)
            .col_expr(Column::Revision, raised_revision())
            .filter(match &rotation.from {
                Some(digest) => Column::Digest.eq(digest_octets(digest)),
                None => Column::Digest.is_null(),
            });
        if rotation.forgets_authentication {
            update = set_authentication(update, &Authentication::default());
        }
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
            .one(&self.pool)
            .await;
        Ok(found.map_err(|error| self.failed(error))?.is_some())
    }
}

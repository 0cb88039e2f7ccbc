//! Finding what a key has sealed, along the indexes of key id and id, and re-sealing it.

use async_trait::async_trait;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use super::convert::{self, seal_key, sealed_octets};
use super::entity::{revocation, session};
use super::live_update::resealing;
use super::row::StoredRow;
use super::store::SeaOrmStore;
use crate::session::SessionId;
use crate::store::{
    KeyRotation, PendingRevocation, Reseal, RevocationId, StoreError, StoredSession,
};
use crate::token::Sealed;

#[async_trait]
impl KeyRotation for SeaOrmStore {
    async fn sample_per_key(&self) -> Result<Vec<StoredSession>, StoreError> {
        let mut found: Vec<StoredSession> = Vec::new();
        for key in self.key_ids::<session::Entity>(session::Column::SealKey).await? {
            let query = session::Entity::find()
                .filter(session::Column::SealKey.eq(key))
                .order_by_asc(session::Column::Id)
                .limit(1);
            found.extend(self.stored(&query).await?);
        }
        Ok(found)
    }

    async fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError> {
        let mut found: Vec<StoredSession> = Vec::new();
        let keys = self.key_ids::<session::Entity>(session::Column::SealKey).await?;
        for key in keys.into_iter().filter(|key| key != key_id) {
            let behind = after.map(|id| session::Column::Id.gt(id.as_uuid()));
            let query = session::Entity::find()
                .filter(session::Column::SealKey.eq(key))
                .filter(Condition::all().add_option(behind))
                .order_by_asc(session::Column::Id)
                .limit(limit);
            found.extend(self.stored(&query).await?);
        }
        found.sort_unstable_by_key(|stored| stored.session.id);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn list_revocations_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        let mut found: Vec<PendingRevocation> = Vec::new();
        let keys = self.key_ids::<revocation::Entity>(revocation::Column::SealKey).await?;
        for key in keys.into_iter().filter(|key| key != key_id) {
            let behind = after.map(|id| revocation::Column::Id.gt(id.as_uuid()));
            let query = revocation::Entity::find()
                .filter(revocation::Column::SealKey.eq(key))
                .filter(Condition::all().add_option(behind))
                .order_by_asc(revocation::Column::Id)
                .limit(limit);
            found.extend(self.pending(&query).await?);
        }
        found.sort_unstable_by_key(|pending| pending.id);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn reseal(&self, sessions: Vec<Reseal>) -> Result<usize, StoreError> {
        if sessions.is_empty() {
            return Ok(0);
        }
        self.repeat(|_| async {
            let resealed = resealing(&sessions).exec(&self.pool).await;
            let count = resealed.map_err(|error| self.write_failed(error))?.rows_affected;
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn reseal_revocation(&self, id: RevocationId, sealed: Sealed) -> Result<(), StoreError> {
        use revocation::Column;

        self.repeat(|_| async {
            let resealed = revocation::Entity::update_many()
                .col_expr(Column::SealedRefreshToken, Expr::val(sealed_octets(&sealed)))
                .col_expr(Column::SealKey, Expr::val(seal_key(&sealed)))
                .filter(Column::Id.eq(id.as_uuid()))
                .exec(&self.pool)
                .await;
            resealed.map(drop).map_err(|error| self.write_failed(error))
        })
        .await
    }
}

impl SeaOrmStore {
    /// Returns the distinct key ids in a column, with one index lookup for each.
    async fn key_ids<E: EntityTrait>(&self, column: E::Column) -> Result<Vec<String>, StoreError> {
        let mut keys: Vec<String> = Vec::new();
        let first = E::find()
            .select_only()
            .column_as(column, "key_id")
            .filter(column.is_not_null())
            .order_by_asc(column)
            .limit(1);
        loop {
            let query = match keys.last() {
                Some(last) => first.clone().filter(column.gt(last.as_str())),
                None => first.clone(),
            };
            match self.key_id(&query).await? {
                Some(key) => keys.push(key),
                None => return Ok(keys),
            }
        }
    }

    async fn key_id<E: EntityTrait>(
        &self,
        query: &Select<E>,
    ) -> Result<Option<String>, StoreError> {
        self.repeat(|_| async {
            let row = query.clone().into_model::<KeyIdRow>().one(&self.pool).await;
            Ok(row.map_err(|error| self.failed(error))?.map(|row| row.key_id))
        })
        .await
    }

    async fn stored(
        &self,
        query: &Select<session::Entity>,
    ) -> Result<Vec<StoredSession>, StoreError> {
        self.repeat(|_| async {
            let rows = query.clone().into_model::<StoredRow>().all(&self.pool).await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(StoredSession::try_from).collect()
        })
        .await
    }

    async fn pending(
        &self,
        query: &Select<revocation::Entity>,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.repeat(|_| async {
            let rows = query.clone().all(&self.pool).await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(convert::revocation).collect()
        })
        .await
    }
}

#[derive(Debug, FromQueryResult)]
struct KeyIdRow {
    key_id: String,
}

//! Which key sealed what: found along the indexes of key id and id, one step a key.

use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::SeaOrmStore;
use super::convert;
use super::entity::{revocation, session};
use super::failure::Failure;
use super::row::StoredRow;
use crate::session::SessionId;
use crate::store::{PendingRevocation, RevocationId, StoreError, StoredSession};

impl SeaOrmStore {
    pub(super) async fn one_of_each_key(&self) -> Result<Vec<StoredSession>, StoreError> {
        let mut found: Vec<StoredSession> = Vec::new();
        for key in self.keys_of_sessions().await? {
            let question = session::Entity::find()
                .filter(session::Column::SealKey.eq(key))
                .order_by_asc(session::Column::Id)
                .limit(1);
            found.extend(self.stored(&question).await?);
        }
        Ok(found)
    }

    pub(super) async fn sessions_sealed_otherwise(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError> {
        let mut found: Vec<StoredSession> = Vec::new();
        for key in self.keys_of_sessions().await?.into_iter().filter(|key| key != key_id) {
            let behind = after.map(|id| session::Column::Id.gt(id.as_uuid()));
            let question = session::Entity::find()
                .filter(session::Column::SealKey.eq(key))
                .filter(sea_orm::Condition::all().add_option(behind))
                .order_by_asc(session::Column::Id)
                .limit(limit);
            found.extend(self.stored(&question).await?);
        }
        found.sort_unstable_by_key(|stored| stored.session.id);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    pub(super) async fn pending_sealed_otherwise(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        let mut found: Vec<PendingRevocation> = Vec::new();
        for key in self.keys_of_outbox().await?.into_iter().filter(|key| key != key_id) {
            let behind = after.map(|id| revocation::Column::Id.gt(id.as_uuid()));
            let question = revocation::Entity::find()
                .filter(revocation::Column::SealKey.eq(key))
                .filter(sea_orm::Condition::all().add_option(behind))
                .order_by_asc(revocation::Column::Id)
                .limit(limit);
            found.extend(self.pending(&question).await?);
        }
        found.sort_unstable_by_key(|pending| pending.id);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn keys_of_sessions(&self) -> Result<Vec<String>, StoreError> {
        let mut keys: Vec<String> = Vec::new();
        let first = session::Entity::find()
            .select_only()
            .column_as(session::Column::SealKey, "key_id")
            .filter(session::Column::SealKey.is_not_null())
            .order_by_asc(session::Column::SealKey)
            .limit(1);
        loop {
            let question = match keys.last() {
                Some(last) => first.clone().filter(session::Column::SealKey.gt(last.as_str())),
                None => first.clone(),
            };
            match self.key(&question).await? {
                Some(key) => keys.push(key),
                None => return Ok(keys),
            }
        }
    }

    async fn keys_of_outbox(&self) -> Result<Vec<String>, StoreError> {
        let mut keys: Vec<String> = Vec::new();
        let first = revocation::Entity::find()
            .select_only()
            .column_as(revocation::Column::SealKey, "key_id")
            .filter(revocation::Column::SealKey.is_not_null())
            .order_by_asc(revocation::Column::SealKey)
            .limit(1);
        loop {
            let question = match keys.last() {
                Some(last) => first.clone().filter(revocation::Column::SealKey.gt(last.as_str())),
                None => first.clone(),
            };
            match self.key(&question).await? {
                Some(key) => keys.push(key),
                None => return Ok(keys),
            }
        }
    }

    async fn key<E: EntityTrait>(
        &self,
        question: &Select<E>,
    ) -> Result<Option<String>, StoreError> {
        self.repeat(|_| async {
            let row = question.clone().into_model::<KeyRow>().one(&self.connection).await;
            Ok::<_, Failure>(row.map_err(|error| self.failed(error))?.map(|row| row.key_id))
        })
        .await
    }

    async fn stored(
        &self,
        question: &Select<session::Entity>,
    ) -> Result<Vec<StoredSession>, StoreError> {
        self.repeat(|_| async {
            let rows = question.clone().into_model::<StoredRow>().all(&self.connection).await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(StoredSession::try_from).collect()
        })
        .await
    }

    async fn pending(
        &self,
        question: &Select<revocation::Entity>,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.repeat(|_| async {
            let rows = question.clone().all(&self.connection).await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(convert::revocation).collect()
        })
        .await
    }
}

#[derive(Debug, FromQueryResult)]
struct KeyRow {
    key_id: String,
}

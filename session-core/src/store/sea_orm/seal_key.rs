//! Which key sealed what: found along the indexes of key id and id, one step a key.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Select,
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
        for key in self.keys::<session::Entity>(session::Column::SealKey).await? {
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
        for key in self
            .keys::<session::Entity>(session::Column::SealKey)
            .await?
            .into_iter()
            .filter(|key| key != key_id)
        {
            let behind = after.map(|id| session::Column::Id.gt(id.as_uuid()));
            let question = session::Entity::find()
                .filter(session::Column::SealKey.eq(key))
                .filter(Condition::all().add_option(behind))
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
        for key in self
            .keys::<revocation::Entity>(revocation::Column::SealKey)
            .await?
            .into_iter()
            .filter(|key| key != key_id)
        {
            let behind = after.map(|id| revocation::Column::Id.gt(id.as_uuid()));
            let question = revocation::Entity::find()
                .filter(revocation::Column::SealKey.eq(key))
                .filter(Condition::all().add_option(behind))
                .order_by_asc(revocation::Column::Id)
                .limit(limit);
            found.extend(self.pending(&question).await?);
        }
        found.sort_unstable_by_key(|pending| pending.id);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    /// The key ids in a column, each found behind the one before.
    async fn keys<E: EntityTrait>(&self, column: E::Column) -> Result<Vec<String>, StoreError> {
        let mut keys: Vec<String> = Vec::new();
        let first = E::find()
            .select_only()
            .column_as(column, "key_id")
            .filter(column.is_not_null())
            .order_by_asc(column)
            .limit(1);
        loop {
            let question = match keys.last() {
                Some(last) => first.clone().filter(column.gt(last.as_str())),
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

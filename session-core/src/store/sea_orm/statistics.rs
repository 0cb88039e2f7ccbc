//! Numbers about what is stored, for operators.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde::Serialize;

use super::entity::revocation;
use super::entity::session::{self, Column};
use super::store::SeaOrmStore;
use crate::store::StoreError;

/// How many sessions are stored, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct StoreStatistics {
    /// Sessions that were not ended, by provider; some may have reached a timeout.
    pub live: Vec<(String, u64)>,
    /// Sessions that have ended and are not purged yet, by reason.
    pub ended: Vec<(String, u64)>,
    /// Sessions with tokens and pending revocations, by the id of the key that has sealed them.
    pub sealing_keys: Vec<(String, u64)>,
}

impl SeaOrmStore {
    /// Counts the stored sessions. Reads the whole table: for operators, not for requests.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the database cannot answer.
    pub async fn statistics(&self) -> Result<StoreStatistics, StoreError> {
        Ok(StoreStatistics {
            live: self.count_by(Column::Provider, Column::EndedAt.is_null()).await?,
            ended: self.count_by(Column::EndReason, Column::EndedAt.is_not_null()).await?,
            sealing_keys: self.count_keys().await?,
        })
    }

    async fn count_keys(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let mut keys: BTreeMap<String, u64> = self
            .count_by(Column::SealKey, Column::SealKey.is_not_null())
            .await?
            .into_iter()
            .collect();
        let key = revocation::Column::SealKey;
        let query = revocation::Entity::find()
            .select_only()
            .column(key)
            .expr(revocation::Column::Id.count())
            .filter(key.is_not_null())
            .group_by(key);
        for (id, count) in self.counted(&query).await? {
            *keys.entry(id).or_default() += count;
        }
        Ok(keys.into_iter().collect())
    }

    async fn count_by(
        &self,
        column: Column,
        which: sea_orm::sea_query::SimpleExpr,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let query = session::Entity::find()
            .select_only()
            .column(column)
            .expr(Column::Id.count())
            .filter(which)
            .group_by(column)
            .order_by_asc(column);
        self.counted(&query).await
    }

    async fn counted<E: EntityTrait>(
        &self,
        query: &Select<E>,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = self
            .repeat(|_| async {
                let rows = query.clone().into_tuple::<(Option<String>, i64)>().all(&self.pool);
                rows.await.map_err(|error| self.failed(error))
            })
            .await?;
        let number = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok(rows
            .into_iter()
            .map(|(name, count)| (name.unwrap_or_default(), number(count)))
            .collect())
    }
}

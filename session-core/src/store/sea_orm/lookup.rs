//! Finding, listing and counting sessions, without a transaction.

use std::cmp::Reverse;

use async_trait::async_trait;
use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, FromQueryResult, Order, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Statement,
};

use super::attempt_error::AttemptError;
use super::cluster::waiting;
use super::convert::{digest_octets, partition_octets};
use super::entity::session::{self, Column};
use super::provider_filter::has_provider;
use super::row::{SessionRow, StoredRow};
use super::store::SeaOrmStore;
use crate::clock::Timestamp;
use crate::session::{SecretDigest, Session, SessionId, UserId};
use crate::store::{
    Partition, SessionLookup, StoreError, StoredSession, TimeoutBasis, TimeoutQuery,
};

/// The number of ids in one statement, well below the limit of every database.
pub(super) const CHUNK: usize = 512;

#[async_trait]
impl SessionLookup for SeaOrmStore {
    async fn find_by_digest(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError> {
        let digest = digest_octets(digest);
        self.repeat(|_| async {
            let values = [digest.clone().into(), digest.clone().into()];
            let sql = &*self.find_by_digest_sql;
            self.find_stored(Statement::from_sql_and_values(self.backend, sql, values)).await
        })
        .await
    }

    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        self.repeat(|_| self.try_to_find(id)).await
    }

    async fn find_all(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError> {
        let mut ids: Vec<Uuid> = ids.iter().map(SessionId::as_uuid).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(CHUNK) {
            let query = SessionRow::select().filter(Column::Id.is_in(padded(ids)));
            found.extend(self.sessions(query).await?);
        }
        Ok(found)
    }

    async fn list(&self, user: &UserId) -> Result<Vec<Session>, StoreError> {
        self.list_live(Condition::all().add(Column::UserId.eq(user.as_str()))).await
    }

    async fn count_live(&self, partition: &Partition) -> Result<u64, StoreError> {
        let partition = partition_octets(partition);
        self.repeat(|_| async {
            let query = session::Entity::find()
                .filter(Column::PartitionKey.eq(partition.clone()))
                .filter(Column::EndedAt.is_null());
            query.count(&self.pool).await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn list_timeout_candidates(
        &self,
        query: TimeoutQuery,
    ) -> Result<Vec<Session>, StoreError> {
        let time = match query.by {
            TimeoutBasis::ConnectionRenewed => Column::ConnectionRenewedAt,
            TimeoutBasis::LastSeen => Column::LastSeenAt,
            TimeoutBasis::TimeoutsFrom => Column::TimeoutsFrom,
        };
        let behind = query.after.map(|(at, id)| {
            let later =
                Condition::any().add(time.gt(at.as_millis())).add(Column::Id.gt(id.as_uuid()));
            Condition::all().add(time.gte(at.as_millis())).add(later)
        });
        let mut select = SessionRow::select()
            .filter(Column::EndedAt.is_null())
            .filter(time.lte(query.until.as_millis()))
            .filter(has_provider(&query.providers))
            .filter(Condition::all().add_option(behind))
            // All of these rows have the same end; sorting by it first makes the order that of the
            // index.
            .order_by_asc(Column::EndedAt);
        if self.backend == DbBackend::Postgres && query.by == TimeoutBasis::LastSeen {
            select = by_hour(select, &query);
        }
        let select = select.order_by_asc(time).order_by_asc(Column::Id).limit(query.limit);
        self.sessions(select).await
    }
}

impl SeaOrmStore {
    pub(super) async fn try_to_find(
        &self,
        id: SessionId,
    ) -> Result<Option<StoredSession>, AttemptError> {
        self.find_stored(session::Entity::find_by_id(id.as_uuid()).build(self.backend)).await
    }

    /// Runs a query for one session. On a Galera cluster, "none" is the answer of a statement that
    /// has waited for the writes of other nodes.
    async fn find_stored(&self, query: Statement) -> Result<Option<StoredSession>, AttemptError> {
        if self.cluster.is_always_causal && self.is_galera().await? {
            return self.find_once(waiting(query)).await;
        }
        match self.find_once(query.clone()).await? {
            None if self.is_galera().await? => self.find_once(waiting(query)).await,
            found => Ok(found),
        }
    }

    async fn is_galera(&self) -> Result<bool, AttemptError> {
        self.cluster.is_galera(&self.pool).await.map_err(|error| self.failed(error))
    }

    async fn find_once(&self, query: Statement) -> Result<Option<StoredSession>, AttemptError> {
        let row = StoredRow::find_by_statement(query).one(&self.pool).await;
        row.map_err(|error| self.failed(error))?.map(StoredSession::try_from).transpose()
    }

    /// Lists live sessions, most recently admitted first. The condition must name those of one
    /// user, since all are read.
    pub(super) async fn list_live(&self, condition: Condition) -> Result<Vec<Session>, StoreError> {
        let query = SessionRow::select()
            .filter(condition)
            .filter(Column::EndedAt.is_null())
            .order_by_asc(Column::PartitionKey)
            .order_by_asc(Column::Admission);
        self.repeat(|_| async {
            let rows = query.clone().into_model::<SessionRow>().all(&self.pool).await;
            last_admitted_first(rows.map_err(|error| self.failed(error))?)
        })
        .await
    }

    async fn sessions(&self, query: Select<session::Entity>) -> Result<Vec<Session>, StoreError> {
        self.repeat(|_| async {
            let rows = query.clone().into_model::<SessionRow>().all(&self.pool).await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(Session::try_from).collect()
        })
        .await
    }
}

/// Narrows a query by the time of the last use to the hours that can match. PostgreSQL has an index
/// of these, which is not touched by each use.
fn by_hour(select: Select<session::Entity>, query: &TimeoutQuery) -> Select<session::Entity> {
    const HOUR: i64 = 3_600_000;
    let until = format!("last_seen_hour <= {}", query.until.as_millis() / HOUR);
    let after = |at: Timestamp| format!("last_seen_hour >= {}", at.as_millis() / HOUR);
    select
        .filter(Expr::cust(until))
        .filter(Condition::all().add_option(query.after.map(|(at, _)| Expr::cust(after(at)))))
        .order_by(Expr::cust("last_seen_hour"), Order::Asc)
}

/// Repeats the last id until the number of ids is a power of two: each number of ids is a statement
/// of its own, and a connection keeps only so many of them prepared.
pub(super) fn padded(ids: &[Uuid]) -> Vec<Uuid> {
    let last = ids.last().copied();
    let padding = ids.len().next_power_of_two() - ids.len();
    ids.iter().copied().chain(last.into_iter().cycle().take(padding)).collect()
}

/// Sorts the last admitted session first. Within a partition the counter decides; between
/// partitions the time of creation does, as far as it agrees with the counters.
fn last_admitted_first(rows: Vec<SessionRow>) -> Result<Vec<Session>, AttemptError> {
    let mut known = None;
    let mut ordered = Vec::with_capacity(rows.len());
    for row in rows {
        let partition = row.partition()?;
        // A later admission is not earlier, even if the clock of its node was behind.
        let at = match known {
            Some((same, latest)) if same == partition => row.created_at.max(latest),
            _ => row.created_at,
        };
        known = Some((partition, at));
        ordered.push(((at, row.admission), Session::try_from(row)?));
    }
    ordered.sort_by_key(|(order, _)| Reverse(*order));
    Ok(ordered.into_iter().map(|(_, session)| session).collect())
}

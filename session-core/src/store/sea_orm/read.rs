//! Questions, none of which needs a transaction.

use std::cmp::Reverse;

use sea_orm::prelude::Uuid;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Select, Statement,
};

use super::SeaOrmStore;
use super::convert::{digest_octets, partition_octets};
use super::entity::session::{self, Column};
use super::failure::Failure;
use super::row::{SessionRow, StoredRow};
use crate::session::{SecretDigest, Session, SessionId, UserId};
use crate::store::{Partition, StaleBy, StaleQuery, StoreError, StoredSession};

/// How many ids one statement names; well below what any database takes.
pub(super) const CHUNK: usize = 512;

/// The statement that finds a session by its cookie: built once, for it is what each request that
/// is not cached waits for.
pub(super) fn by_digest_sql(backend: sea_orm::DbBackend) -> String {
    let any = digest_octets(&SecretDigest::from_bytes([0; 32]));
    let either =
        Condition::any().add(Column::Digest.eq(any.clone())).add(Column::PreviousDigest.eq(any));
    session::Entity::find().filter(either).build(backend).sql
}

impl SeaOrmStore {
    pub(super) async fn of_cookie(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError> {
        let digest = digest_octets(digest);
        self.repeat(|_| async {
            let values = [digest.clone().into(), digest.clone().into()];
            let sql = self.by_digest.as_str();
            let statement = Statement::from_sql_and_values(self.backend, sql, values);
            let row = StoredRow::find_by_statement(statement).one(&self.connection).await;
            row.map_err(|error| self.failed(error))?.map(StoredSession::try_from).transpose()
        })
        .await
    }

    pub(super) async fn by_id(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        self.repeat(|_| async move {
            let question = session::Entity::find_by_id(id.as_uuid());
            let row = question.into_model::<StoredRow>().one(&self.connection).await;
            row.map_err(|error| self.failed(error))?.map(StoredSession::try_from).transpose()
        })
        .await
    }

    pub(super) async fn by_ids(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError> {
        let mut ids: Vec<Uuid> = ids.iter().map(SessionId::as_uuid).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(CHUNK) {
            let question = SessionRow::select().filter(Column::Id.is_in(padded(ids)));
            found.extend(self.sessions(question).await?);
        }
        Ok(found)
    }

    pub(super) async fn live_of(&self, user: &UserId) -> Result<Vec<Session>, StoreError> {
        self.live_where(Condition::all().add(Column::UserId.eq(user.as_str()))).await
    }

    /// The live sessions that a condition names, which must be those of one user: all are read.
    pub(super) async fn live_where(&self, named: Condition) -> Result<Vec<Session>, StoreError> {
        let question = SessionRow::select()
            .filter(named)
            .filter(Column::EndedAt.is_null())
            .order_by_asc(Column::PartitionKey)
            .order_by_asc(Column::Admission);
        self.repeat(|_| async {
            let rows = question.clone().into_model::<SessionRow>().all(&self.connection).await;
            last_admitted_first(rows.map_err(|error| self.failed(error))?)
        })
        .await
    }

    pub(super) async fn stale_page(&self, query: StaleQuery) -> Result<Vec<Session>, StoreError> {
        let time = match query.by {
            StaleBy::LastSeen => Column::LastSeenAt,
            StaleBy::TimeoutsFrom => Column::TimeoutsFrom,
        };
        let behind = query.after.map(|(at, id)| {
            let later =
                Condition::any().add(time.gt(at.as_millis())).add(Column::Id.gt(id.as_uuid()));
            Condition::all().add(time.gte(at.as_millis())).add(later)
        });
        // The end is the same for all of them: it makes the order that of the index.
        let question = SessionRow::select()
            .filter(Column::EndedAt.is_null())
            .filter(time.lte(query.until.as_millis()))
            .filter(Condition::all().add_option(behind))
            .order_by_asc(Column::EndedAt)
            .order_by_asc(time)
            .order_by_asc(Column::Id)
            .limit(query.limit);
        self.sessions(question).await
    }

    pub(super) async fn count_live_in(&self, partition: &Partition) -> Result<u64, StoreError> {
        let partition = partition_octets(partition);
        self.repeat(|_| async {
            let question = session::Entity::find()
                .filter(Column::PartitionKey.eq(partition.clone()))
                .filter(Column::EndedAt.is_null());
            question.count(&self.connection).await.map_err(|error| self.failed(error))
        })
        .await
    }

    async fn sessions(
        &self,
        question: Select<session::Entity>,
    ) -> Result<Vec<Session>, StoreError> {
        self.repeat(|_| async {
            let rows = question.clone().into_model::<SessionRow>().all(&self.connection).await;
            let rows = rows.map_err(|error| self.failed(error))?;
            rows.into_iter().map(Session::try_from).collect()
        })
        .await
    }
}

/// The ids, the last one repeated until their number is a power of two: each number is a statement
/// of its own, and connections keep only so many of them prepared.
pub(super) fn padded(ids: &[Uuid]) -> Vec<Uuid> {
    let last = ids.last().copied();
    let padding = ids.len().next_power_of_two() - ids.len();
    ids.iter().copied().chain(last.into_iter().cycle().take(padding)).collect()
}

/// The last admitted session first. Within a partition the counter orders them; between
/// partitions the time of creation does, as far as it agrees with the counters.
fn last_admitted_first(rows: Vec<SessionRow>) -> Result<Vec<Session>, Failure> {
    let mut known = None;
    let mut ordered = Vec::with_capacity(rows.len());
    for row in rows {
        let partition = row.partition()?;
        // A later admission is not earlier, though the node's clock that made it was behind.
        let at = match known {
            Some((same, latest)) if same == partition => row.created_at.max(latest),
            _ => row.created_at,
        };
        known = Some((partition, at));
        ordered.push(((at, row.admission), Session::try_from(row)?));
    }
    ordered.sort_by_key(|(place, _)| Reverse(*place));
    Ok(ordered.into_iter().map(|(_, session)| session).collect())
}

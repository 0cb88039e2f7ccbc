//! Attempts an admission (store laws 1 and 2).

use std::sync::{Mutex, PoisonError};

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Set, Statement,
};

use super::attempt_error::AttemptError;
use super::convert::{self, digest_octets, partition_octets, signed};
use super::end::Leaving;
use super::entity::{Octets, admission_lock, session};
use super::retry::Attempt;
use super::row::EndingRow;
use super::store::SeaOrmStore;
use super::transaction::Transaction;
use crate::event::{Event, EventKind};
use crate::policy::{AdmittedSession, Eviction, Verdict};
use crate::session::{EndReason, SecretDigest};
use crate::store::{Admission, Decide, EndedSession, NewSession, StoreError};

/// An admission that is carried out.
pub(super) struct PendingAdmission<'a> {
    new: &'a NewSession,
    row: session::ActiveModel,
    partition: Octets,
    decide: &'a Decide<'a>,
    /// Sessions ended by the attempt whose commit outcome is unknown.
    uncertain: Mutex<Vec<EndedSession>>,
}

impl<'a> PendingAdmission<'a> {
    pub(super) fn new(new: &'a NewSession, decide: &'a Decide<'a>) -> Result<Self, StoreError> {
        let partition = partition_octets(&new.partition());
        Ok(Self { new, row: new.try_into()?, partition, decide, uncertain: Mutex::default() })
    }
}

/// The live sessions that an admission may end.
struct LiveRows {
    superseded: Option<EndingRow>,
    /// Those of the partition, in the order of their ids.
    admitted: Vec<EndingRow>,
}

impl SeaOrmStore {
    pub(super) async fn try_to_admit(
        &self,
        login: &PendingAdmission<'_>,
        attempt: Attempt,
    ) -> Result<Admission, AttemptError> {
        let transaction = self.begin().await?;
        let counter = self.lock_partition(&transaction, &login.partition).await?;
        if attempt.is_uncertain && self.was_admitted(&transaction, login).await? {
            transaction.roll_back().await?;
            let uncertain = login.uncertain.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(Admission::Admitted { ended: uncertain.clone() });
        }
        let live = self.lock_live(&transaction, login).await?;
        let admitted = admitted(&live)?;
        let evictions = match (login.decide)(&admitted) {
            Verdict::Admit(evictions) => evictions,
            Verdict::Refuse { live } => {
                transaction.roll_back().await?;
                return Ok(Admission::Refused { live });
            }
        };
        let admission = self.next_admission(&transaction, login, counter, &admitted).await?;
        let leaving = leaving(live, &evictions);
        let ended = self.carry_out(&transaction, login, admission, leaving).await?;
        *login.uncertain.lock().unwrap_or_else(PoisonError::into_inner) = ended.clone();
        transaction.commit().await?;
        Ok(Admission::Admitted { ended })
    }

    /// Writes the lock row of the partition, so that every other login of the partition waits until
    /// this transaction ends. Returns the raised counter of admissions.
    async fn lock_partition(
        &self,
        transaction: &Transaction,
        partition: &Octets,
    ) -> Result<i64, AttemptError> {
        let statement = Statement::from_sql_and_values(
            self.backend,
            lock_sql(self.backend),
            [partition.clone().into()],
        );
        if self.backend == DbBackend::MySql {
            let executed = transaction.inner.execute_raw(statement).await;
            let counted = executed.map_err(|error| self.failed(error))?.last_insert_id();
            return i64::try_from(counted)
                .map_err(|_| AttemptError::corrupt("a count of admissions"));
        }
        let row = transaction.inner.query_one_raw(statement).await;
        let row = row.map_err(|error| self.failed(error))?;
        let row = row.ok_or_else(|| AttemptError::corrupt("a count of admissions"))?;
        row.try_get_by_index(0).map_err(|error| self.failed(error))
    }

    /// Returns whether an attempt whose outcome was unknown admitted the session.
    async fn was_admitted(
        &self,
        transaction: &Transaction,
        login: &PendingAdmission<'_>,
    ) -> Result<bool, AttemptError> {
        let id = login.new.session.id.as_uuid();
        let found = session::Entity::find_by_id(id).count(&transaction.inner).await;
        Ok(found.map_err(|error| self.failed(error))? > 0)
    }

    async fn lock_live(
        &self,
        transaction: &Transaction,
        login: &PendingAdmission<'_>,
    ) -> Result<LiveRows, AttemptError> {
        let superseded = match &login.new.supersedes {
            Some(digest) => self.lock_superseded(transaction, digest).await?,
            None => None,
        };
        let admitted = EndingRow::select_live()
            .filter(session::Column::PartitionKey.eq(login.partition.clone()))
            .order_by_asc(session::Column::Id)
            .lock_exclusive()
            .into_model::<EndingRow>()
            .all(&transaction.inner)
            .await;
        let mut admitted = admitted.map_err(|error| self.failed(error))?;
        let superseded_id = superseded.as_ref().map(|one| one.row.id);
        admitted.retain(|one| Some(one.row.id) != superseded_id);
        Ok(LiveRows { superseded, admitted })
    }

    async fn lock_superseded(
        &self,
        transaction: &Transaction,
        digest: &SecretDigest,
    ) -> Result<Option<EndingRow>, AttemptError> {
        let digest = digest_octets(digest);
        let either = Condition::any()
            .add(session::Column::Digest.eq(digest.clone()))
            .add(session::Column::PreviousDigest.eq(digest));
        let row = EndingRow::select_live()
            .filter(either)
            .lock_exclusive()
            .into_model::<EndingRow>()
            .one(&transaction.inner)
            .await;
        row.map_err(|error| self.failed(error))
    }

    /// Returns the order of the new admission, which is greater than all others, even where
    /// migrated sessions came without raising the counter.
    async fn next_admission(
        &self,
        transaction: &Transaction,
        login: &PendingAdmission<'_>,
        counter: i64,
        admitted: &[AdmittedSession],
    ) -> Result<i64, AttemptError> {
        let last = admitted.iter().map(|session| signed(session.admission)).max().unwrap_or(0);
        if counter > last {
            return Ok(counter);
        }
        let raised = admission_lock::Entity::update_many()
            .col_expr(admission_lock::Column::Admissions, Expr::val(last + 1))
            .filter(admission_lock::Column::PartitionKey.eq(login.partition.clone()))
            .exec(&transaction.inner)
            .await;
        raised.map_err(|error| self.failed(error))?;
        Ok(last + 1)
    }

    async fn carry_out(
        &self,
        transaction: &Transaction,
        login: &PendingAdmission<'_>,
        admission: i64,
        leaving: Vec<Leaving>,
    ) -> Result<Vec<EndedSession>, AttemptError> {
        let now = login.new.session.created_at;
        self.end_rows(transaction, &leaving, now).await?;
        let mut row = login.row.clone();
        row.admission = Set(admission);
        let inserted =
            session::Entity::insert(row).exec_without_returning(&transaction.inner).await;
        inserted.map_err(|error| self.failed(error))?;
        let ended = leaving.into_iter().map(Leaving::into_ended);
        let ended = ended.collect::<Result<Vec<_>, _>>()?;
        let mut events: Vec<_> = ended.iter().map(|ended| convert::ended(ended, now)).collect();
        events.push(Event::new(&login.new.session, EventKind::Created, now));
        self.insert_events(&transaction.inner, &events).await?;
        Ok(ended)
    }
}

/// Returns what the policy is asked about, in the order of admission.
fn admitted(live: &LiveRows) -> Result<Vec<AdmittedSession>, AttemptError> {
    let admitted = live.admitted.iter().map(EndingRow::admitted);
    let mut admitted = admitted.collect::<Result<Vec<_>, _>>()?;
    admitted.sort_by_key(|session| (session.admission, session.id));
    Ok(admitted)
}

/// Returns the superseded session, and then those that the verdict names, in its order.
fn leaving(live: LiveRows, evictions: &[Eviction]) -> Vec<Leaving> {
    let mut admitted = live.admitted;
    let superseded = live.superseded.map(|row| Leaving { row, reason: EndReason::Superseded });
    let evicted = evictions.iter().filter_map(|eviction| {
        let index = admitted.iter().position(|one| one.row.id == eviction.id.as_uuid())?;
        Some(Leaving { row: admitted.swap_remove(index), reason: eviction.reason })
    });
    superseded.into_iter().chain(evicted).collect()
}

/// The statement that raises the counter and returns it, in one round trip. MySQL has no
/// `RETURNING`; there `LAST_INSERT_ID` is set, which comes with the result of every statement.
fn lock_sql(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => {
            "INSERT INTO admission_lock (partition_key, admissions) VALUES ($1, 1) \
             ON CONFLICT (partition_key) DO UPDATE SET admissions = admission_lock.admissions + 1 \
             RETURNING admissions"
        }
        DbBackend::MySql => {
            "INSERT INTO admission_lock (partition_key, admissions) \
             VALUES (?, LAST_INSERT_ID(1)) \
             ON DUPLICATE KEY UPDATE admissions = LAST_INSERT_ID(admissions + 1)"
        }
        _ => {
            "INSERT INTO admission_lock (partition_key, admissions) VALUES (?, 1) \
             ON CONFLICT (partition_key) DO UPDATE SET admissions = admission_lock.admissions + 1 \
             RETURNING admissions"
        }
    }
}

//! Putting one more session in (store laws 1 and 2).

use std::sync::{Mutex, PoisonError};

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Set, Statement,
};

use super::SeaOrmStore;
use super::convert::{self, created, digest_octets, new_row, partition_octets, signed};
use super::end::Departed;
use super::ending::EndingRow;
use super::entity::{Octets, admission_lock, session};
use super::failure::{Failure, corrupt};
use super::retry::Attempt;
use super::transaction::Transaction;
use crate::policy::{AdmittedSession, Eviction, Verdict};
use crate::session::{EndReason, SecretDigest};
use crate::store::{Admission, Decide, EndedSession, NewSession, StoreError};

/// A login that is carried out.
struct Login<'a> {
    new: &'a NewSession,
    row: session::ActiveModel,
    partition: Octets,
    decide: &'a Decide<'a>,
    /// Who ended for it in the attempt whose commit nobody answered.
    unanswered: Mutex<Vec<EndedSession>>,
}

/// What is live where a session is to come in.
struct Present {
    superseded: Option<EndingRow>,
    /// In the order of admission.
    occupants: Vec<EndingRow>,
}

impl SeaOrmStore {
    pub(super) async fn admit_new(
        &self,
        new: &NewSession,
        decide: &Decide<'_>,
    ) -> Result<Admission, StoreError> {
        let login = Login {
            new,
            row: new_row(new)?,
            partition: partition_octets(&new.partition()),
            decide,
            unanswered: Mutex::default(),
        };
        self.repeat(|attempt| self.try_to_admit(&login, attempt)).await
    }

    async fn try_to_admit(
        &self,
        login: &Login<'_>,
        attempt: Attempt,
    ) -> Result<Admission, Failure> {
        let transaction = self.begin().await?;
        let counter = self.lock_partition(&transaction, &login.partition).await?;
        if attempt.is_uncertain && self.is_in(&transaction, login).await? {
            transaction.abandon().await?;
            let unanswered = login.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(Admission::Admitted { ended: unanswered.clone() });
        }
        let present = self.present(&transaction, login).await?;
        let occupants = occupants(&present)?;
        let leaving = match (login.decide)(&occupants) {
            Verdict::Admit(leaving) => leaving,
            Verdict::Refuse { live } => {
                transaction.abandon().await?;
                return Ok(Admission::Refused { live });
            }
        };
        let admission = self.next(&transaction, login, counter, &occupants).await?;
        let departing = departing(present, &leaving);
        let ended = self.carry_out(&transaction, login, admission, departing).await?;
        *login.unanswered.lock().unwrap_or_else(PoisonError::into_inner) = ended.clone();
        transaction.commit().await?;
        Ok(Admission::Admitted { ended })
    }

    /// Writes the partition's lock row, which makes every other login of the partition wait for
    /// this one's end; gives the place in the order of admission that it counts.
    async fn lock_partition(
        &self,
        transaction: &Transaction,
        partition: &Octets,
    ) -> Result<i64, Failure> {
        let statement = Statement::from_sql_and_values(
            self.backend,
            lock_sql(self.backend),
            [partition.clone().into()],
        );
        if self.backend == DbBackend::MySql {
            let executed = transaction.inner.execute_raw(statement).await;
            let counted = executed.map_err(|error| self.failed(error))?.last_insert_id();
            return i64::try_from(counted).map_err(|_| corrupt("a count of admissions"));
        }
        let row = transaction.inner.query_one_raw(statement).await;
        let row = row.map_err(|error| self.failed(error))?;
        let row = row.ok_or_else(|| corrupt("a count of admissions"))?;
        row.try_get_by_index(0).map_err(|error| self.failed(error))
    }

    /// Whether the session came in by an attempt whose answer was lost.
    async fn is_in(&self, transaction: &Transaction, login: &Login<'_>) -> Result<bool, Failure> {
        let id = login.new.session.id.as_uuid();
        let found = session::Entity::find_by_id(id).count(&transaction.inner).await;
        Ok(found.map_err(|error| self.failed(error))? > 0)
    }

    async fn present(
        &self,
        transaction: &Transaction,
        login: &Login<'_>,
    ) -> Result<Present, Failure> {
        let superseded = match &login.new.supersedes {
            Some(digest) => self.live_of_cookie(transaction, digest).await?,
            None => None,
        };
        let occupants = EndingRow::select_live()
            .filter(session::Column::PartitionKey.eq(login.partition.clone()))
            .order_by_asc(session::Column::Id)
            .lock_exclusive()
            .into_model::<EndingRow>()
            .all(&transaction.inner)
            .await;
        let mut occupants = occupants.map_err(|error| self.failed(error))?;
        let superseded_id = superseded.as_ref().map(|row| row.id);
        occupants.retain(|row| Some(row.id) != superseded_id);
        Ok(Present { superseded, occupants })
    }

    async fn live_of_cookie(
        &self,
        transaction: &Transaction,
        digest: &SecretDigest,
    ) -> Result<Option<EndingRow>, Failure> {
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

    /// The new session's place in the order of admission: behind all that are here, even where
    /// they were moved here without their counter.
    async fn next(
        &self,
        transaction: &Transaction,
        login: &Login<'_>,
        counter: i64,
        occupants: &[AdmittedSession],
    ) -> Result<i64, Failure> {
        let last = occupants.iter().map(|occupant| signed(occupant.admission)).max().unwrap_or(0);
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
        login: &Login<'_>,
        admission: i64,
        departing: Vec<Departed>,
    ) -> Result<Vec<EndedSession>, Failure> {
        let now = login.new.session.created_at;
        self.end_rows(transaction, &departing, now).await?;
        let mut row = login.row.clone();
        row.admission = Set(admission);
        let inserted =
            session::Entity::insert(row).exec_without_returning(&transaction.inner).await;
        inserted.map_err(|error| self.failed(error))?;
        let ended = departing.into_iter().map(Departed::into_ended);
        let ended = ended.collect::<Result<Vec<_>, _>>()?;
        let mut events: Vec<_> = ended.iter().map(|ended| convert::ended(ended, now)).collect();
        events.push(created(login.new));
        self.insert_events(&transaction.inner, &events).await?;
        Ok(ended)
    }
}

fn occupants(present: &Present) -> Result<Vec<AdmittedSession>, Failure> {
    let occupants = present.occupants.iter().map(EndingRow::occupant);
    let mut occupants = occupants.collect::<Result<Vec<_>, _>>()?;
    occupants.sort_by_key(|occupant| (occupant.admission, occupant.id));
    Ok(occupants)
}

/// The superseded session first, then who leaves, in the verdict's order.
fn departing(present: Present, leaving: &[Eviction]) -> Vec<Departed> {
    let mut here = present.occupants;
    let superseded = present.superseded.map(|row| Departed { row, reason: EndReason::Superseded });
    let leaving = leaving.iter().filter_map(|departure| {
        let place = here.iter().position(|row| row.id == departure.id.as_uuid())?;
        Some(Departed { row: here.swap_remove(place), reason: departure.reason })
    });
    superseded.into_iter().chain(leaving).collect()
}

/// Raises the counter and answers it, in one round trip. MySQL has no `RETURNING`; there the
/// answer is what `LAST_INSERT_ID` was set to, which comes with every statement's result.
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

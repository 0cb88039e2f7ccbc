//! Attempts an admission (store laws 1 and 2).

use std::sync::{Mutex, PoisonError};

use sea_orm::prelude::Uuid;
use sea_orm::{DbBackend, EntityTrait, FromQueryResult, PaginatorTrait, Set};

use super::attempt_error::AttemptError;
use super::convert::{digest_octets, partition_octets, signed};
use super::end::{Leaving, ending_sql};
use super::entity::{Octets, session};
use super::retry::Attempt;
use super::row::{ENDING_COLUMNS, EndingRow};
use super::store::SeaOrmStore;
use super::text;
use super::transaction::Transaction;
use crate::policy::{AdmittedSession, Eviction, Verdict, rotation};
use crate::session::EndReason;
use crate::store::{Admission, Decide, EndedSession, NewSession, StoreError};

/// An admission that is carried out.
pub(super) struct PendingAdmission<'a> {
    pub(super) new: &'a NewSession,
    pub(super) row: session::ActiveModel,
    pub(super) partition: Octets,
    decide: &'a Decide<'a>,
    /// What an attempt whose outcome is unknown may have ended.
    uncertain: Mutex<Vec<EndedSession>>,
}

impl<'a> PendingAdmission<'a> {
    pub(super) fn new(new: &'a NewSession, decide: &'a Decide<'a>) -> Result<Self, StoreError> {
        let partition = partition_octets(&new.partition());
        Ok(Self { new, row: new.try_into()?, partition, decide, uncertain: Mutex::default() })
    }

    /// Asks the policy what to do about the live sessions.
    pub(super) fn decide(&self, live: LiveRows) -> Result<Plan, AttemptError> {
        let admitted = admitted(&live)?;
        match (self.decide)(&admitted) {
            Verdict::Admit(evictions) => Ok(Plan::Admit {
                admission: next_admission(live.counter, &admitted),
                leaving: leaving(live, &evictions),
            }),
            Verdict::Refuse { live } => Ok(Plan::Refuse { live }),
        }
    }

    /// Keeps what the attempt may end, in case its outcome stays unknown.
    pub(super) fn remember(&self, leaving: &[EndedSession]) {
        *self.uncertain.lock().unwrap_or_else(PoisonError::into_inner) = leaving.to_vec();
    }

    fn uncertain(&self) -> Vec<EndedSession> {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The live sessions that an admission may end.
pub(super) struct LiveRows {
    /// How many sessions the partition has admitted.
    pub(super) counter: i64,
    superseded: Option<EndingRow>,
    /// Those of the partition.
    admitted: Vec<EndingRow>,
}

/// What the policy has decided.
pub(super) enum Plan {
    Admit { admission: i64, leaving: Vec<Leaving> },
    Refuse { live: usize },
}

impl LiveRows {
    /// Sorts rows that were found by partition or by the superseded digest; one may be there twice.
    pub(super) fn new(
        login: &PendingAdmission<'_>,
        counter: i64,
        rows: Vec<EndingRow>,
    ) -> Result<Self, AttemptError> {
        let now = login.new.session.created_at;
        let mut live = Self { counter, superseded: None, admitted: Vec::new() };
        for row in rows {
            let id = row.row.id;
            let digests = row.digests()?;
            if login.new.supersedes.is_some_and(|digest| digests.accepts(&digest, now)) {
                live.superseded = Some(row);
            } else if live.admitted.iter().all(|other| other.row.id != id) {
                live.admitted.push(row);
            }
        }
        Ok(live)
    }
}

impl SeaOrmStore {
    pub(super) async fn try_to_admit(
        &self,
        login: &PendingAdmission<'_>,
        attempt: Attempt,
    ) -> Result<Admission, AttemptError> {
        let mut transaction = self.begin().await?;
        let admission = self.admit_within(&mut transaction, login, attempt).await;
        match admission {
            Ok(Effect::Commit(ended)) => {
                login.remember(&ended);
                transaction.commit().await?;
                Ok(Admission::Admitted { ended })
            }
            Ok(Effect::None(admission)) => {
                transaction.roll_back().await?;
                Ok(admission)
            }
            Err(error) => {
                // The transaction failed; what matters is why.
                drop(transaction.roll_back().await);
                Err(error)
            }
        }
    }

    async fn admit_within(
        &self,
        transaction: &mut Transaction,
        login: &PendingAdmission<'_>,
        attempt: Attempt,
    ) -> Result<Effect, AttemptError> {
        let live = self.lock_live(transaction, login).await?;
        let counter = live.counter;
        if attempt.is_uncertain && self.was_admitted(transaction, login).await? {
            let now = login.new.session.created_at;
            let connection = transaction.connection().await?;
            let ended = self.ended_of(connection, login.uncertain(), now).await?;
            return Ok(Effect::None(Admission::Admitted { ended }));
        }
        let (admission, leaving) = match login.decide(live)? {
            Plan::Admit { admission, leaving } => (admission, leaving),
            Plan::Refuse { live } => return Ok(Effect::None(Admission::Refused { live })),
        };
        self.insert(transaction, login, admission).await?;
        if admission > counter {
            transaction.defer(&format!(
                "UPDATE admission_lock SET admissions = {admission} WHERE partition_key = {}",
                text::octets(self.backend, &login.partition)
            ));
        }
        for sql in ending_sql(self.backend, &leaving, None, login.new.session.created_at) {
            transaction.defer(&sql);
        }
        let ended: Result<_, _> = leaving.into_iter().map(Leaving::into_ended).collect();
        Ok(Effect::Commit(ended?))
    }

    /// Writes the lock row of the partition, so that every other login of the partition waits until
    /// this transaction ends, and locks the live sessions; in one message.
    async fn lock_live(
        &self,
        transaction: &mut Transaction,
        login: &PendingAdmission<'_>,
    ) -> Result<LiveRows, AttemptError> {
        let rows = transaction.query_text(&lock_sql(self.backend, login)).await?;
        let mut rows = rows.iter();
        let counter = rows.next().ok_or_else(|| AttemptError::corrupt("a count of admissions"))?;
        let counter = counter.try_get_by_index(0).map_err(|error| self.failed(error))?;
        let rows: Result<_, _> = rows.map(|row| EndingRow::from_query_result(row, "")).collect();
        LiveRows::new(login, counter, rows.map_err(|error| self.failed(error))?)
    }

    /// Returns whether an attempt whose outcome was unknown admitted the session.
    async fn was_admitted(
        &self,
        transaction: &mut Transaction,
        login: &PendingAdmission<'_>,
    ) -> Result<bool, AttemptError> {
        let id = login.new.session.id.as_uuid();
        let found = session::Entity::find_by_id(id).count(transaction.connection().await?).await;
        Ok(found.map_err(|error| self.failed(error))? > 0)
    }

    async fn insert(
        &self,
        transaction: &mut Transaction,
        login: &PendingAdmission<'_>,
        admission: i64,
    ) -> Result<(), AttemptError> {
        let mut row = login.row.clone();
        row.admission = Set(admission);
        let insert = session::Entity::insert(row);
        let inserted = insert.exec_without_returning(transaction.connection().await?).await;
        inserted.map_err(|error| self.failed(error))?;
        let id = text::uuid(self.backend, login.new.session.id.as_uuid());
        transaction.defer(&format!(
            "INSERT INTO login_session_event (id, session_id, user_id, provider, kind, detail, at) \
             SELECT {}, id, user_id, provider, 'created', NULL, created_at FROM login_session \
             WHERE id = {id}",
            text::uuid(self.backend, Uuid::now_v7())
        ));
        Ok(())
    }
}

/// What becomes of the transaction of an admission.
enum Effect {
    Commit(Vec<EndedSession>),
    /// Nothing is changed.
    None(Admission),
}

/// Returns the order of the new admission, which is greater than all others, even where migrated
/// sessions came without raising the counter.
fn next_admission(counter: i64, admitted: &[AdmittedSession]) -> i64 {
    let last = admitted.iter().map(|session| signed(session.admission)).max().unwrap_or(0);
    counter.max(last + 1)
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

/// The statements that raise the counter and return it, then the live sessions that the admission
/// may end.
fn lock_sql(backend: DbBackend, login: &PendingAdmission<'_>) -> String {
    let partition = text::octets(backend, &login.partition);
    let raise =
        format!("INSERT INTO admission_lock (partition_key, admissions) VALUES ({partition}, 1)");
    let raise = match backend {
        DbBackend::MySql => format!(
            "{raise} ON DUPLICATE KEY UPDATE admissions = admissions + 1; \
             SELECT admissions FROM admission_lock WHERE partition_key = {partition}"
        ),
        _ => format!(
            "{raise} ON CONFLICT (partition_key) DO UPDATE \
             SET admissions = admission_lock.admissions + 1 RETURNING admissions"
        ),
    };
    let lock = text::for_update(backend);
    let select = format!("SELECT {ENDING_COLUMNS} FROM login_session WHERE ended_at IS NULL AND");
    let superseded = login.new.supersedes.as_ref().map(|digest| {
        let digest = text::octets(backend, &digest_octets(digest));
        let (rotated, confirmed) = rotation::accepted_since(login.new.session.created_at);
        let (rotated, confirmed) = (rotated.as_millis(), confirmed.as_millis());
        format!(
            "; {select} (digest = {digest} OR previous_digest = {digest} AND rotated_at > {rotated} \
             AND (confirmed_at IS NULL OR confirmed_at > {confirmed})){lock}"
        )
    });
    let superseded = superseded.unwrap_or_default();
    format!("{raise}{superseded}; {select} partition_key = {partition} ORDER BY id{lock}")
}

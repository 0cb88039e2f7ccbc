//! Ending sessions (store laws 7 and 11).

use std::sync::{Mutex, PoisonError};

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::attempt_error::AttemptError;
use super::convert::signed;
use super::entity::session;
use super::lookup::CHUNK;
use super::retry::Attempt;
use super::row::{EndingRow, is_live_by_id};
use super::store::SeaOrmStore;
use super::text;
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::session::{Actor, EndCause, EndReason, Origin, ProviderLogout};
use crate::store::{EndTarget, EndedSession};

/// A live session that is about to end.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) row: EndingRow,
    pub(super) reason: EndReason,
}

impl Leaving {
    pub(super) fn into_ended(self) -> Result<EndedSession, AttemptError> {
        self.row.into_ended(self.reason)
    }
}

/// An end that is carried out.
pub(super) struct Ending {
    pub(super) condition: Condition,
    pub(super) cause: EndCause,
    pub(super) now: Timestamp,
    /// What an attempt whose outcome is unknown may have ended.
    uncertain: Mutex<Vec<EndedSession>>,
    /// The statements whose outcome is unknown, by the ids of what they inserted.
    #[cfg(feature = "postgres")]
    statements: Mutex<Vec<Uuid>>,
}

impl Ending {
    /// Returns `None` if the target matches no session.
    pub(super) fn new(target: &EndTarget, cause: EndCause, now: Timestamp) -> Option<Self> {
        let condition = condition(target)?;
        Some(Self {
            condition,
            cause,
            now,
            uncertain: Mutex::default(),
            #[cfg(feature = "postgres")]
            statements: Mutex::default(),
        })
    }

    fn uncertain(&self) -> Vec<EndedSession> {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a statement that may take its effect, and returns those before it.
    #[cfg(feature = "postgres")]
    pub(super) fn remember_statement(&self, new_id: Uuid) -> Vec<Uuid> {
        let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = statements.clone();
        statements.push(new_id);
        earlier
    }

    fn remember(&self, ended: &[EndedSession]) {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(ended);
    }
}

impl SeaOrmStore {
    pub(super) async fn try_to_end(
        &self,
        ending: &Ending,
        attempt: Attempt,
    ) -> Result<Vec<EndedSession>, AttemptError> {
        let mut transaction = self.begin().await?;
        let ended = match self.end_within(&mut transaction, ending).await {
            Ok(ended) if !ended.is_empty() => {
                ending.remember(&ended);
                transaction.commit().await?;
                ended
            }
            other => {
                let rolled_back = transaction.roll_back().await;
                let ended = other?;
                rolled_back?;
                ended
            }
        };
        self.with_uncertain(ending, attempt, ended).await
    }

    async fn end_within(
        &self,
        transaction: &mut Transaction,
        ending: &Ending,
    ) -> Result<Vec<EndedSession>, AttemptError> {
        let rows = EndingRow::select()
            .filter(ending.condition.clone())
            .order_by_asc(session::Column::Id)
            .lock_exclusive()
            .into_model::<EndingRow>()
            .all(transaction.connection().await?)
            .await;
        let rows = rows.map_err(|error| self.failed(error))?;
        let leaving = |row| Leaving { row, reason: ending.cause.reason };
        let leaving: Vec<_> = rows.into_iter().map(leaving).collect();
        let actor = ending.cause.actor.as_ref();
        for sql in ending_sql(self.backend, &leaving, actor, ending.now) {
            transaction.defer(&sql);
        }
        leaving.into_iter().map(Leaving::into_ended).collect()
    }

    /// Adds the sessions that an earlier attempt has ended, though the outcome of its commit was
    /// unknown.
    async fn with_uncertain(
        &self,
        ending: &Ending,
        attempt: Attempt,
        mut ended: Vec<EndedSession>,
    ) -> Result<Vec<EndedSession>, AttemptError> {
        if !attempt.is_uncertain {
            return Ok(ended);
        }
        let mut uncertain = ending.uncertain();
        uncertain.retain(|one| ended.iter().all(|other| other.id != one.id));
        ended.extend(self.ended_of(&self.pool, uncertain, ending.now).await?);
        Ok(ended)
    }

    /// Returns those of these sessions that ended at this time for the reason that they have here.
    pub(super) async fn ended_of(
        &self,
        connection: &impl ConnectionTrait,
        sessions: Vec<EndedSession>,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, AttemptError> {
        let mut ended = Vec::with_capacity(sessions.len());
        for one in sessions {
            let found = session::Entity::find_by_id(one.id.as_uuid())
                .select_only()
                .column(session::Column::Id)
                .filter(session::Column::EndedAt.eq(now.as_millis()))
                .filter(session::Column::EndReason.eq(one.reason.as_str()))
                .into_tuple::<Uuid>()
                .one(connection)
                .await;
            if found.map_err(|error| self.failed(error))?.is_some() {
                ended.push(one);
            }
        }
        Ok(ended)
    }
}

/// Builds the statements that end locked rows, move their refresh tokens to the outbox and record
/// the events.
///
/// The entry in the outbox has an id of its own: a row that was removed and comes again, as by a
/// repeated migration, may find an entry of its former life.
pub(super) fn ending_sql(
    backend: DbBackend,
    leaving: &[Leaving],
    actor: Option<&Actor>,
    now: Timestamp,
) -> Vec<String> {
    leaving.chunks(CHUNK).flat_map(|some| ending_sql_of(backend, some, actor, now)).collect()
}

fn ending_sql_of(
    backend: DbBackend,
    leaving: &[Leaving],
    actor: Option<&Actor>,
    now: Timestamp,
) -> Vec<String> {
    let now = now.as_millis();
    let actor = actor.map_or("NULL".to_owned(), |actor| text::text(backend, actor.as_str()));
    let id = |one: &Leaving| text::uuid(backend, one.row.row.id);
    let ids = leaving.iter().map(id).collect::<Vec<_>>().join(", ");
    let case = |value: &dyn Fn(&Leaving) -> String| {
        let when = |one| format!("WHEN {} THEN {}", id(one), value(one));
        let all: Vec<_> = leaving.iter().map(when).collect();
        format!("CASE id {} END", all.join(" "))
    };
    let new_id = case(&|_| text::uuid(backend, Uuid::now_v7()));
    let reason = case(&|one| format!("'{}'", one.reason.as_str()));
    let outbox = format!(
        "INSERT INTO provider_revocation (id, session_id, user_id, provider, partition_key, \
         sealed_refresh_token, seal_key, created_at, due_at, attempts) \
         SELECT {new_id}, id, user_id, provider, partition_key, sealed_refresh_token, seal_key, \
         {now}, {now}, 0 FROM login_session WHERE id IN ({ids}) AND sealed_refresh_token IS NOT NULL"
    );
    let ended = format!(
        "UPDATE login_session SET ended_at = {now}, end_reason = {reason}, sealed_tokens = NULL, \
         sealed_refresh_token = NULL, seal_key = NULL, lease_owner = NULL, lease_heartbeat = NULL, \
         lease_term_ms = NULL, revision = revision + 1 WHERE id IN ({ids})"
    );
    let new_id = case(&|_| text::uuid(backend, Uuid::now_v7()));
    let events = format!(
        "INSERT INTO login_session_event (id, session_id, user_id, provider, kind, detail, actor, at) \
         SELECT {new_id}, id, user_id, provider, 'ended', end_reason, {actor}, {now} FROM login_session \
         WHERE id IN ({ids})"
    );
    let has_refresh_token = leaving.iter().any(|one| one.row.has_refresh_token);
    has_refresh_token.then_some(outbox).into_iter().chain([ended, events]).collect()
}

/// Selects the live sessions that a target names; `None` if it matches none.
fn condition(target: &EndTarget) -> Option<Condition> {
    use session::Column;

    let live = || Condition::all().add(Column::EndedAt.is_null());
    let all = Condition::all().add(is_live_by_id());
    Some(match target {
        EndTarget::AllOf { user, provider } => live()
            .add(Column::UserId.eq(user.as_str()))
            .add_option(provider.as_ref().map(|name| Column::Provider.eq(name.as_str()))),
        EndTarget::Others { user, except } => live()
            .add(Column::UserId.eq(user.as_str()))
            .add(Column::Id.ne(except.as_uuid()))
            .add(Column::Origin.ne(Origin::Connection.as_str())),
        EndTarget::OfProvider(logout) => return of_provider(logout),
        EndTarget::One { id, user } => all
            .add(Column::Id.eq(id.as_uuid()))
            .add_option(user.as_ref().map(|user| Column::UserId.eq(user.as_str()))),
        EndTarget::Unused { sessions } if sessions.is_empty() => return None,
        EndTarget::Unused { sessions } => {
            let unused = sessions.iter().fold(Condition::any(), |any, (id, last_seen_at)| {
                let id = Column::Id.eq(id.as_uuid());
                any.add(
                    Condition::all().add(id).add(Column::LastSeenAt.eq(last_seen_at.as_millis())),
                )
            });
            // The ids alone lead to the rows, in one range of the index.
            let ids: Vec<_> = sessions.iter().map(|(id, _)| id.as_uuid()).collect();
            all.add(Column::Id.is_in(ids)).add(unused)
        }
        EndTarget::Unchanged { id, revision } => {
            all.add(Column::Id.eq(id.as_uuid())).add(Column::Revision.eq(signed(*revision)))
        }
    })
}

fn of_provider(logout: &ProviderLogout) -> Option<Condition> {
    use session::Column;

    let ProviderLogout { issuer, subject, sid, user, created_until } = logout;
    // The user leads to few rows, and the issuer to most of all: no index on it is to be used then.
    let of_issuer = match user {
        None => Column::Issuer.eq(issuer.as_str()),
        Some(_) => Func::coalesce([Column::Issuer.into_expr(), Expr::val("")]).eq(issuer.as_str()),
    };
    let condition = Condition::all()
        .add(Column::EndedAt.is_null())
        .add(of_issuer)
        // A logout at the provider concerns browsers; tool clients have their own grants (B4).
        .add(Column::Origin.ne(Origin::Connection.as_str()))
        .add_option(subject.as_ref().map(|subject| Column::Subject.eq(subject.as_str())))
        .add_option(sid.as_ref().map(|sid| Column::Sid.eq(sid.as_str())))
        .add_option(user.as_ref().map(|user| Column::UserId.eq(user.as_str())))
        .add_option(created_until.map(|moment| Column::CreatedAt.lte(moment.as_millis())));
    (!logout.is_empty()).then_some(condition)
}

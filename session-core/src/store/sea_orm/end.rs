//! Ending sessions (store laws 7 and 11).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::attempt_error::AttemptError;
use super::convert::{self, signed};
use super::entity::{Octets, revocation, session};
use super::lookup::CHUNK;
use super::retry::Attempt;
use super::row::EndingRow;
use super::store::SeaOrmStore;
use super::transaction::Transaction;
use crate::clock::Timestamp;
use crate::session::{EndReason, Origin};
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
    condition: Condition,
    reason: EndReason,
    now: Timestamp,
    /// Sessions ended by an attempt whose commit outcome is unknown.
    uncertain: Mutex<Vec<EndedSession>>,
}

impl Ending {
    /// Returns `None` if the target matches no session.
    pub(super) fn new(target: &EndTarget, reason: EndReason, now: Timestamp) -> Option<Self> {
        let condition = condition(target)?;
        Some(Self { condition, reason, now, uncertain: Mutex::default() })
    }

    fn uncertain(&self) -> Vec<EndedSession> {
        self.uncertain.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let transaction = self.begin().await?;
        let rows = EndingRow::select_live()
            .filter(ending.condition.clone())
            .order_by_asc(session::Column::Id)
            .lock_exclusive()
            .into_model::<EndingRow>()
            .all(&transaction.inner)
            .await;
        let rows = rows.map_err(|error| self.failed(error))?;
        let leaving = |row| Leaving { row, reason: ending.reason };
        let leaving: Vec<_> = rows.into_iter().map(leaving).collect();
        if leaving.is_empty() {
            transaction.roll_back().await?;
            return self.with_uncertain(ending, attempt, Vec::new()).await;
        }
        self.end_rows(&transaction, &leaving, ending.now).await?;
        let ended = leaving.into_iter().map(Leaving::into_ended);
        let ended = ended.collect::<Result<Vec<_>, _>>()?;
        let event = |ended| convert::ended(ended, ending.now);
        let events: Vec<_> = ended.iter().map(event).collect();
        self.insert_events(&transaction.inner, &events).await?;
        ending.remember(&ended);
        transaction.commit().await?;
        self.with_uncertain(ending, attempt, ended).await
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
        for one in uncertain {
            let ours = session::Entity::find_by_id(one.id.as_uuid())
                .select_only()
                .column(session::Column::Id)
                .filter(session::Column::EndedAt.eq(ending.now.as_millis()))
                .filter(session::Column::EndReason.eq(ending.reason.as_str()))
                .into_tuple::<Uuid>()
                .one(&self.connection)
                .await;
            if ours.map_err(|error| self.failed(error))?.is_some() {
                ended.push(one);
            }
        }
        Ok(ended)
    }

    /// Ends rows that this transaction has locked. The caller records their events.
    pub(super) async fn end_rows(
        &self,
        transaction: &Transaction,
        leaving: &[Leaving],
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        let with_refresh_token = leaving.iter().filter(|one| one.row.has_refresh_token);
        let with_refresh_token: Vec<_> = with_refresh_token.map(|one| one.row.row.id).collect();
        for ids in with_refresh_token.chunks(CHUNK) {
            self.move_refresh_tokens(transaction, ids, now).await?;
        }
        let mut by_reason: HashMap<EndReason, Vec<Uuid>> = HashMap::new();
        for one in leaving {
            by_reason.entry(one.reason).or_default().push(one.row.row.id);
        }
        for (reason, ids) in by_reason {
            for ids in ids.chunks(CHUNK) {
                self.mark_ended(transaction, ids, reason, now).await?;
            }
        }
        Ok(())
    }

    /// Copies the refresh tokens into the outbox within the database. The id of an entry is that of
    /// its session, since a session ends once.
    async fn move_refresh_tokens(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        use revocation::Column as To;
        use session::Column as From;

        let select = Query::select()
            .columns([From::Id, From::Id, From::UserId, From::Provider, From::PartitionKey])
            .columns([From::SealedRefreshToken, From::SealKey])
            .expr(Expr::val(now.as_millis()))
            .expr(Expr::val(now.as_millis()))
            .expr(Expr::val(0_i64))
            .from(session::Entity)
            .and_where(From::Id.is_in(ids.iter().copied()))
            .take();
        let columns = [To::Id, To::SessionId, To::UserId, To::Provider, To::PartitionKey];
        let columns = columns.into_iter().chain([To::SealedRefreshToken, To::SealKey]);
        let columns = columns.chain([To::CreatedAt, To::DueAt, To::Attempts]);
        let mut insert = Query::insert().into_table(revocation::Entity).columns(columns).take();
        let insert = insert
            .select_from(select)
            .map_err(|error| self.failed(sea_orm::DbErr::Custom(error.to_string())))?;
        let inserted = transaction.inner.execute(&*insert).await;
        inserted.map(drop).map_err(|error| self.failed(error))
    }

    async fn mark_ended(
        &self,
        transaction: &Transaction,
        ids: &[Uuid],
        reason: EndReason,
        now: Timestamp,
    ) -> Result<(), AttemptError> {
        use session::Column;

        let updated = session::Entity::update_many()
            .col_expr(Column::EndedAt, Expr::val(now.as_millis()))
            .col_expr(Column::EndReason, Expr::val(reason.as_str()))
            .col_expr(Column::SealedTokens, Expr::val(None::<Octets>))
            .col_expr(Column::SealedRefreshToken, Expr::val(None::<Octets>))
            .col_expr(Column::SealKey, Expr::val(None::<String>))
            .col_expr(Column::LeaseOwner, Expr::val(None::<Uuid>))
            .col_expr(Column::LeaseHeartbeat, Expr::val(None::<i64>))
            .col_expr(Column::LeaseTermMs, Expr::val(None::<i64>))
            .col_expr(Column::Revision, Expr::col(Column::Revision).add(1_i64))
            .filter(Column::Id.is_in(ids.iter().copied()))
            .exec(&transaction.inner)
            .await;
        updated.map(drop).map_err(|error| self.failed(error))
    }
}

/// Selects what a target names; `None` if it matches no session.
fn condition(target: &EndTarget) -> Option<Condition> {
    use session::Column;

    let all = Condition::all();
    Some(match target {
        EndTarget::AllOf { user, provider } => all
            .add(Column::UserId.eq(user.as_str()))
            .add_option(provider.as_ref().map(|name| Column::Provider.eq(name.as_str()))),
        EndTarget::Others { user, except } => {
            all.add(Column::UserId.eq(user.as_str())).add(Column::Id.ne(except.as_uuid()))
        }
        // A logout token without `sub` or `sid` matches no session.
        EndTarget::OfProvider { subject: None, sid: None, .. } => return None,
        EndTarget::OfProvider { issuer, subject, sid } => all
            .add(Column::Issuer.eq(issuer.as_str()))
            // A logout at the provider concerns browsers; tool clients have their own grants (B4).
            .add(Column::Origin.ne(Origin::Connection.as_str()))
            .add_option(subject.as_ref().map(|subject| Column::Subject.eq(subject.as_str())))
            .add_option(sid.as_ref().map(|sid| Column::Sid.eq(sid.as_str()))),
        EndTarget::One { id, user } => all
            .add(Column::Id.eq(id.as_uuid()))
            .add_option(user.as_ref().map(|user| Column::UserId.eq(user.as_str()))),
        EndTarget::Unused { id, last_seen_at } => all
            .add(Column::Id.eq(id.as_uuid()))
            .add(Column::LastSeenAt.eq(last_seen_at.as_millis())),
        EndTarget::Unchanged { id, revision } => {
            all.add(Column::Id.eq(id.as_uuid())).add(Column::Revision.eq(signed(*revision)))
        }
    })
}

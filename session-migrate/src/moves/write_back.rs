//! Writes tokens that were renewed in the target back into the source, behind its block.
//!
//! Each row is noted in the target, as it is stored in the source, before it is written. A later
//! process writes a noted row only if it is still stored so: whatever else it holds is newer.

use sea_orm_migration::sea_orm::DatabaseTransaction;
use session_core::{SessionId, TokenSet};
use zeroize::Zeroizing;

use super::report::{LostSignIn, RollbackReport};
use crate::engine::{
    Captures, Comparison, Examined, MappedTable, MoveContext, count_rows, extra_ids, totals,
};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::options::Renewed;
use crate::progress::Activity;
use crate::source::{RenewedTokens, RowTokens, SourceRow};
use crate::sql::{Query, begin};
use crate::target::{ExistingRow, TargetRow, is_quarantined_as, seal_stored, uuid_literal};

/// How many ids are looked up at a time.
const CHUNK: usize = 500;

/// One rollback's writing back.
struct WriteBack<'a> {
    context: &'a MoveContext,
    captures: &'a Captures<'a>,
    renewed: Renewed,
    /// Whether the cutover blocked writes to the source, or they are blocked now: if the block goes
    /// meanwhile, nothing may be written any more.
    is_blocked: bool,
    report: &'a mut RollbackReport,
    /// Sign-ins that are lost unless they are discarded by request.
    unwritten: u64,
}

/// Writes renewed tokens back, and lists what cannot be. `was_blocked` says whether the cutover blocked
/// writes to the source. Returns whether the target may be emptied.
pub(super) async fn write_back(
    context: &MoveContext,
    captures: &Captures<'_>,
    (renewed, was_blocked): (Renewed, bool),
    report: &mut RollbackReport,
) -> Result<bool, MigrateError> {
    let is_blocked =
        was_blocked || captures.iter().next().is_some() && captures.unblocked().await?.is_none();
    let mut of = WriteBack { context, captures, renewed, is_blocked, report, unwritten: 0 };
    let (mut source_rows, mut found) = (0, 0);
    context.progress.begin_activity(Activity::WriteBack, count_rows(context).await?);
    let mut comparison = Comparison::new(context, true)?;
    while let Some((table, examined)) = comparison.next().await? {
        context.check_cancelled()?;
        context.progress.add_rows(examined.len());
        source_rows += examined.len() as u64;
        found += examined.iter().filter(|examined| examined.existing.is_some()).count() as u64;
        of.batch(table, &examined).await?;
    }
    let totals = totals(context).await?;
    if totals.live + totals.quarantined != found {
        of.list_without_source(&extra_ids(context, source_rows).await?).await?;
    }
    Ok(of.unwritten == 0 || renewed == Renewed::Discard)
}

/// A row to write into, the session that was renewed, and its tokens.
type Due<'r> = (&'r Examined, &'r TargetRow, Box<RenewedTokens>);

/// What is to be done with a row of the target.
enum Decision {
    Nothing,
    Write(Box<RenewedTokens>),
    /// The sign-in is lost, as it has to be.
    Ended,
    /// The sign-in cannot be written back, for this reason.
    Unwritten(&'static str),
}

impl WriteBack<'_> {
    async fn batch(
        &mut self,
        table: &MappedTable,
        examined: &[Examined],
    ) -> Result<(), MigrateError> {
        let mut renewed = Vec::new();
        for examined in examined {
            let Some(ExistingRow::Live(existing)) = &examined.existing else { continue };
            match self.decide(examined, existing)? {
                Decision::Nothing => {}
                Decision::Write(tokens) => renewed.push((examined, existing.as_ref(), tokens)),
                Decision::Ended => self.lose(existing, "it has ended in the target"),
                Decision::Unwritten(why) => self.keep(existing, why),
            }
        }
        if renewed.is_empty() {
            return Ok(());
        }
        let due = self.noted(renewed).await?;
        self.context.leased(self.write(table, due)).await
    }

    async fn write(&mut self, table: &MappedTable, due: Vec<Due<'_>>) -> Result<(), MigrateError> {
        let transaction = self.begin().await?;
        for (examined, existing, tokens) in due {
            match table.source.write_back(&transaction, &examined.row, &tokens).await? {
                true => self.report.written_back += 1,
                false => self.keep(existing, "its row has changed in the source"),
            }
        }
        self.commit(transaction).await
    }

    fn decide(&self, examined: &Examined, existing: &TargetRow) -> Result<Decision, MigrateError> {
        if existing.is_ended() {
            // A failback has taken the tokens out of the row.
            let is_known = matches!(examined.row.tokens, RowTokens::Absent);
            return Ok(if is_known { Decision::Nothing } else { Decision::Ended });
        }
        let Some(opened) = &examined.opened else {
            return Ok(Decision::Unwritten("its tokens do not open in the target"));
        };
        match (is_renewed(&examined.row, opened), self.renewed) {
            (Some(false), _) => Ok(Decision::Nothing),
            (Some(true), Renewed::WriteBack) => {
                Ok(match renewed_tokens(opened, existing.renewed_at) {
                    Ok(tokens) => Decision::Write(Box::new(tokens)),
                    Err(why) => Decision::Unwritten(why),
                })
            }
            (Some(true), Renewed::Discard) => {
                Ok(Decision::Unwritten("its tokens were renewed in the target"))
            }
            (None, Renewed::Discard) => {
                Ok(Decision::Unwritten("its row in the source does not open"))
            }
            (None, Renewed::WriteBack) => Err(MigrateError::because(
                MigrateErrorKind::SourceKeys,
                format!(
                    "the row of the session {} does not open in the source, and did when it was \
                     moved",
                    examined.id
                ),
            )),
        }
    }

    /// Notes rows before they are written, and returns those to write: a row that was noted before
    /// and has changed since is newer.
    async fn noted<'r>(&mut self, renewed: Vec<Due<'r>>) -> Result<Vec<Due<'r>>, MigrateError> {
        let (target, keyring) = (self.context.target_table()?, self.context.keyring()?);
        let ids: Vec<SessionId> = renewed.iter().map(|(examined, ..)| examined.id).collect();
        let known = target.write_back_notes(&self.context.target, &ids).await?;
        let (mut due, mut new) = (Vec::new(), Vec::new());
        for (examined, existing, tokens) in renewed {
            match known.get(&examined.id) {
                None => new.push((examined.id, seal_stored(examined.id, &examined.row, keyring)?)),
                Some(sealed) if is_quarantined_as(examined.id, sealed, &examined.row, keyring) => {}
                Some(_) => {
                    self.report.kept_newer += 1;
                    continue;
                }
            }
            due.push((examined, existing, tokens));
        }
        let transaction = self.context.begin_leased().await?;
        target.note_write_back(&transaction, new, self.context.clock().now()).await?;
        transaction.commit().await?;
        Ok(due)
    }

    async fn begin(&self) -> Result<DatabaseTransaction, MigrateError> {
        match self.is_blocked {
            true => self.captures.begin_own_writes().await,
            false => Ok(begin(&self.context.source).await?),
        }
    }

    async fn commit(&self, transaction: DatabaseTransaction) -> Result<(), MigrateError> {
        match self.is_blocked {
            true => self.captures.commit_own_writes(transaction).await,
            false => Ok(transaction.commit().await?),
        }
    }

    /// Lists the live sessions whose row the source no longer has.
    async fn list_without_source(&mut self, ids: &[SessionId]) -> Result<(), MigrateError> {
        let target = self.context.target_table()?;
        for ids in ids.chunks(CHUNK) {
            let existing = target.existing_rows(&self.context.target, ids).await?;
            for row in existing.into_values() {
                if let ExistingRow::Live(row) = row
                    && !row.is_ended()
                {
                    self.keep(&row, "its row is gone from the source");
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self, row: &TargetRow, why: &'static str) {
        self.report.lost.push(lost(row.id, &row.user, &row.provider, why));
    }

    /// Lists a sign-in that is not removed unless by request.
    fn keep(&mut self, row: &TargetRow, why: &'static str) {
        self.unwritten += 1;
        self.lose(row, why);
    }
}

/// Lists, without any key, the sessions that have changed since they were moved. Returns `true`.
pub(super) async fn list_changed(
    context: &MoveContext,
    report: &mut RollbackReport,
) -> Result<bool, MigrateError> {
    let mine = uuid_literal(context.dialect(), context.id.as_uuid());
    let sql = format!(
        "SELECT id, user_id, provider FROM login_session WHERE moved_by = {mine} AND \
         (revision > COALESCE(moved_revision, 1) OR ended_at IS NOT NULL)"
    );
    for row in Query::new(context.dialect(), sql).rows(&context.target).await? {
        let (user, provider): (String, String) =
            (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
        let id = SessionId::from_uuid(row.try_get_by_index(0)?);
        let why = "it has changed in the target, and the keys are not those of the move";
        report.lost.push(lost(id, &user, &provider, why));
    }
    Ok(true)
}

fn lost(id: SessionId, user: &str, provider: &str, why: &'static str) -> LostSignIn {
    let (user, provider) = (user.to_owned(), provider.to_owned());
    LostSignIn { id: id.to_string(), user, provider, why }
}

/// Returns whether the target has other tokens than the source; `None` if the source's do not open.
pub(super) fn is_renewed(row: &SourceRow, opened: &TokenSet) -> Option<bool> {
    let source = row.tokens.opened()?;
    Some(
        source.access().unwrap_or_default() != opened.access_token()
            || source.refresh() != opened.refresh_token()
            || source.id() != opened.id_token(),
    )
}

/// Returns the tokens of a session as they are written into the source, or why they must not be: a
/// token that is bound to a key is of no use to an application that does not have the key.
pub(super) fn renewed_tokens(
    opened: &TokenSet,
    renewed_at: Option<i64>,
) -> Result<RenewedTokens, &'static str> {
    if opened.is_sender_constrained() {
        return Err("its tokens are bound to a DPoP key that only the target has");
    }
    let secret = |token: Option<&str>| token.map(|token| Zeroizing::new(token.to_owned()));
    let renewed_at = renewed_at.map(session_core::Timestamp::from_millis);
    Ok(RenewedTokens {
        access: Zeroizing::new(opened.access_token().to_owned()),
        refresh: secret(opened.refresh_token()),
        id: secret(opened.id_token()),
        scope: opened.scope().map(str::to_owned),
        token_type: opened.token_type().map(str::to_owned),
        extra: opened.extra().clone(),
        expires_at: opened.expires_at(),
        renewed_at: renewed_at.unwrap_or_else(|| opened.received_at()),
    })
}

//! Rolls a move back.

use std::time::Duration;

use sea_orm_migration::sea_orm::Value;
use session_core::TokenSet;
use zeroize::Zeroizing;

use super::manifest::{MoveManifest, journal, lock, owner};
use super::report::{LostSignIn, RollbackReport};
use crate::engine::{Captures, Comparison, Examined, MappedTable, MoveContext, totals};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, Phase, exists};
use crate::source::RenewedTokens;
use crate::sql::{Query, begin};
use crate::target::{ExistingRow, TargetRow, create_indexes, uuid_literal};

/// What a rollback does with tokens that were renewed in the target after the cutover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renewed {
    /// Discards them; the report lists the sign-ins that are lost.
    Discard,
    /// Writes them back into the source, in its own encoding.
    WriteBack,
}

/// How long a rollback waits for renewals under way after it has closed the target.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// The table of moves.
const JOURNAL: &str = "session_move";

/// How many rows are deleted from the target at a time.
const BATCH: u32 = 2000;

pub(super) async fn rollback(
    context: &MoveContext,
    renewed: Renewed,
) -> Result<RollbackReport, MigrateError> {
    let lock = lock(context).await?;
    let report = rollback_locked(context, renewed).await;
    lock.release().await;
    report
}

async fn rollback_locked(
    context: &MoveContext,
    renewed: Renewed,
) -> Result<RollbackReport, MigrateError> {
    let journal = journal(context).await?;
    if journal.phase == Phase::Finalized {
        return Err(MigrateError::because(
            MigrateErrorKind::Phase,
            "the move was finalized, and its source may be gone",
        ));
    }
    context.journal.take_over(&context.target, &owner(context)).await?;
    let mut report = RollbackReport {
        schema: "session-migrate/rollback/1",
        was: Some(journal.phase),
        ..RollbackReport::default()
    };
    let captures = Captures::of(context)?;
    let was_open = journal.switched_at.is_some();
    // From now on nothing is renewed in the target, and an apply refuses to go on.
    context.journal.set_phase(&context.target, Phase::RollBack, context.clock().now()).await?;
    // Without this table an earlier process has removed everything already.
    let has_sessions = exists(&context.target, context.dialect(), "login_session").await?;
    if was_open && has_sessions {
        wait_for_renewals(context).await?;
        captures.unblock_writes().await?;
        write_back(context, renewed, &mut report).await?;
        report.begun_since = sessions_begun_since(context).await?;
        // From now on the source's tokens are the valid ones, and the application may renew them. A
        // rollback that is killed and run again must not overwrite them with the target's.
        context.journal.clear_opened(&context.target).await?;
    }
    captures.stop().await?;
    if has_sessions {
        remove_rows(context, &mut report).await?;
    }
    finish(context, &journal).await?;
    Ok(report)
}

/// Waits for renewals under way, which may still write new tokens.
async fn wait_for_renewals(context: &MoveContext) -> Result<(), MigrateError> {
    let mine = uuid_literal(context.dialect(), context.id.as_uuid());
    let sql = format!(
        "SELECT COUNT(*) FROM login_session WHERE moved_by = {mine} AND lease_owner IS NOT NULL \
         AND ended_at IS NULL"
    );
    let since = context.clock().monotonic();
    loop {
        let query = Query::new(context.dialect(), sql.clone());
        let leases = query.number(&context.target).await?;
        // A lease that lasts longer belongs to a process that is gone.
        if leases == 0 || context.clock().monotonic().saturating_sub(since) > RENEWAL_TIMEOUT {
            return Ok(());
        }
        context.clock().sleep(PAUSE).await;
    }
}

/// Writes renewed tokens back, and reports the sign-ins that are lost.
async fn write_back(
    context: &MoveContext,
    renewed: Renewed,
    report: &mut RollbackReport,
) -> Result<(), MigrateError> {
    let mut comparison = Comparison::new(context, true)?;
    while let Some((table, examined)) = comparison.next().await? {
        for examined in examined {
            let Some(ExistingRow::Live(existing)) = &examined.existing else { continue };
            match write_back_one(context, table, renewed, &examined, existing).await? {
                WriteBack::Unchanged => {}
                WriteBack::Written => report.written_back += 1,
                WriteBack::Lost(why) => report.lost.push(LostSignIn {
                    id: examined.id.to_string(),
                    user: existing.user.clone(),
                    provider: existing.provider.clone(),
                    why,
                }),
            }
        }
    }
    Ok(())
}

/// What became of a row of the target.
enum WriteBack {
    /// The source has the same tokens.
    Unchanged,
    Written,
    /// The sign-in is lost, for this reason.
    Lost(&'static str),
}

async fn write_back_one(
    context: &MoveContext,
    table: &MappedTable,
    renewed: Renewed,
    examined: &Examined,
    existing: &TargetRow,
) -> Result<WriteBack, MigrateError> {
    if existing.is_ended {
        return Ok(WriteBack::Lost("it has ended in the target"));
    }
    let Some(opened) = &examined.opened else {
        return Ok(WriteBack::Lost("its tokens do not open in the target"));
    };
    if !is_renewed(examined, opened) {
        return Ok(WriteBack::Unchanged);
    }
    if renewed == Renewed::Discard {
        return Ok(WriteBack::Lost("its tokens were renewed in the target"));
    }
    let tokens = renewed_tokens(opened, existing.renewed_at);
    let transaction = begin(&context.source).await?;
    let is_written = table.source.write_back(&transaction, &examined.row, &tokens).await?;
    transaction.commit().await?;
    match is_written {
        true => Ok(WriteBack::Written),
        false => Ok(WriteBack::Lost("its row has changed in the source")),
    }
}

fn is_renewed(examined: &Examined, opened: &TokenSet) -> bool {
    let Some(source) = examined.row.tokens.opened() else { return false };
    source.access().unwrap_or_default() != opened.access_token()
        || source.refresh() != opened.refresh_token()
        || source.id() != opened.id_token()
}

fn renewed_tokens(opened: &TokenSet, renewed_at: Option<i64>) -> RenewedTokens {
    let secret = |token: Option<&str>| token.map(|token| Zeroizing::new(token.to_owned()));
    let renewed_at = renewed_at.map(session_core::Timestamp::from_millis);
    RenewedTokens {
        access: Zeroizing::new(opened.access_token().to_owned()),
        refresh: secret(opened.refresh_token()),
        id: secret(opened.id_token()),
        scope: opened.scope().map(str::to_owned),
        token_type: opened.token_type().map(str::to_owned),
        extra: opened.extra().clone(),
        expires_at: opened.expires_at(),
        renewed_at: renewed_at.unwrap_or_else(|| opened.received_at()),
    }
}

/// Counts the sessions that began in the target.
async fn sessions_begun_since(context: &MoveContext) -> Result<u64, MigrateError> {
    let sql = "SELECT COUNT(*) FROM login_session WHERE moved_by IS NULL AND ended_at IS NULL";
    let query = Query::new(context.dialect(), sql);
    query.number(&context.target).await.map_err(MigrateError::from)
}

/// Deletes the move's rows from the target, batch by batch.
async fn remove_rows(
    context: &MoveContext,
    report: &mut RollbackReport,
) -> Result<(), MigrateError> {
    let totals = totals(context).await?;
    report.removed += totals.live;
    let mine = uuid_literal(context.dialect(), context.id.as_uuid());
    for (table, id, of_move) in
        [("login_session", "id", "moved_by"), ("session_move_aside", "session_id", "move_id")]
    {
        loop {
            // MySQL takes no LIMIT in a subquery of IN, hence the derived table.
            let sql = format!(
                "DELETE FROM {table} WHERE {id} IN (SELECT chosen.id FROM (SELECT {id} AS id FROM {table} \
                 WHERE {of_move} = {mine} LIMIT {BATCH}) AS chosen)"
            );
            let transaction = begin(&context.target).await?;
            let removed = Query::new(context.dialect(), sql).execute(&transaction).await;
            let removed = removed?;
            transaction.commit().await?;
            if removed == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Drops the tables if this move created them and they hold nothing else; otherwise deletes the
/// move's row of the journal.
///
/// The journal goes last in any case, so that a process that follows a killed one finds it and
/// removes the rest.
async fn finish(context: &MoveContext, journal: &Journal) -> Result<(), MigrateError> {
    let manifest = MoveManifest::of(journal)?;
    if manifest.made_tables && !is_used_by_others(context).await? {
        // The steps are not reverted one by one, because then the journal would go first. The list of
        // steps goes before it, so that it never names a step whose tables are gone.
        let tables = crate::migrations::TABLES.into_iter().filter(|table| *table != JOURNAL);
        for table in tables.chain(["session_migration", JOURNAL]) {
            let query = Query::new(context.dialect(), format!("DROP TABLE IF EXISTS {table}"));
            query.execute(&context.target).await?;
        }
        return Ok(());
    }
    if manifest.is_without_indexes {
        create_indexes(&context.target, context.dialect()).await?;
    }
    let mut query = Query::new(context.dialect(), "DELETE FROM session_move WHERE id = ");
    let id = query.bind(Value::Uuid(Some(context.id.as_uuid())));
    query.push(&id);
    query.execute(&context.target).await?;
    Ok(())
}

/// Returns whether the tables hold other sessions or moves.
async fn is_used_by_others(context: &MoveContext) -> Result<bool, MigrateError> {
    let dialect = context.dialect();
    let mut rows = 0;
    for table in ["login_session", "provider_revocation", "login_session_event"] {
        if exists(&context.target, dialect, table).await? {
            let query = Query::new(dialect, format!("SELECT COUNT(*) FROM {table}"));
            rows += query.number(&context.target).await?;
        }
    }
    let mut query = Query::new(dialect, "SELECT COUNT(*) FROM session_move WHERE id <> ");
    let id = query.bind(Value::Uuid(Some(context.id.as_uuid())));
    query.push(&id);
    rows += query.number(&context.target).await?;
    Ok(rows > 0)
}

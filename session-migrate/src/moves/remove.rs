//! Removes what a move that is rolled back has left in the target.

use sea_orm_migration::sea_orm::{DatabaseTransaction, Value};
use session_core::SessionId;

use super::manifest::MoveManifest;
use super::report::RollbackReport;
use crate::engine::{MoveContext, Scan, totals};
use crate::error::MigrateError;
use crate::journal::exists;
use crate::progress::Activity;
use crate::sql::Query;
use crate::target::{create_indexes, remove_revocations, uuid_literal};

/// The table of moves.
const JOURNAL: &str = "session_move";

/// How many rows are deleted from the target at a time.
const BATCH: u32 = 2000;

/// Deletes the move's rows from the target, batch by batch.
pub(super) async fn remove_rows(
    context: &MoveContext,
    report: &mut RollbackReport,
) -> Result<(), MigrateError> {
    let totals = totals(context).await?;
    report.removed += totals.live;
    context.progress.begin_activity(Activity::Remove, totals.rows());
    let mine = uuid_literal(context.dialect(), context.id.as_uuid());
    // Moved again, the same sessions have the same ids, and so do their entries in the outbox.
    let outbox = format!(
        "DELETE FROM provider_revocation WHERE session_id IN \
         (SELECT id FROM login_session WHERE moved_by = {mine})"
    );
    run_leased(context, &outbox).await?;
    remove_revocations_of_purged(context).await?;
    for (table, id, of_move) in
        [("login_session", "id", "moved_by"), ("session_move_aside", "session_id", "move_id")]
    {
        // MySQL takes no LIMIT in a subquery of IN, hence the derived table.
        let sql = format!(
            "DELETE FROM {table} WHERE {id} IN (SELECT chosen.id FROM (SELECT {id} AS id FROM {table} \
             WHERE {of_move} = {mine} LIMIT {BATCH}) AS chosen)"
        );
        loop {
            let removed = run_leased(context, &sql).await?;
            context.progress.add_rows(usize::try_from(removed).unwrap_or(0));
            if removed == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Deletes the entries in the outbox of sessions that were purged: only the source still leads to
/// their ids.
async fn remove_revocations_of_purged(context: &MoveContext) -> Result<(), MigrateError> {
    let waiting = Query::new(context.dialect(), "SELECT COUNT(*) FROM provider_revocation");
    if waiting.number(&context.target).await? == 0 {
        return Ok(());
    }
    for table in &context.tables {
        let mut scan = Scan::new(context, &table.source);
        while let Some(batch) = scan.next(BATCH).await? {
            let ids: Vec<SessionId> =
                batch.rows.iter().map(|row| table.id(&table.source.key(row))).collect();
            let transaction = context.begin_leased().await?;
            remove_revocations(&transaction, context.dialect(), &ids).await?;
            transaction.commit().await?;
        }
    }
    Ok(())
}

/// Runs a statement in a transaction of its own; returns the number of rows that it affected.
async fn run_leased(context: &MoveContext, sql: &str) -> Result<u64, MigrateError> {
    let transaction = context.begin_leased().await?;
    let rows = Query::new(context.dialect(), sql).execute(&transaction).await?;
    transaction.commit().await?;
    Ok(rows)
}

/// Drops the tables if this move created them and they hold nothing else; otherwise deletes the
/// move's row of the journal.
///
/// The journal goes last in any case, so that a process that follows a killed one finds it and
/// removes the rest.
pub(super) async fn finish(
    context: &MoveContext,
    manifest: &MoveManifest,
) -> Result<(), MigrateError> {
    if manifest.made_tables && !is_used_by_others(context).await? {
        // The steps are not reverted one by one, because then the journal would go first. The list of
        // steps goes before it, so that it never names a step whose tables are gone.
        let tables = crate::migrations::TABLES.into_iter().filter(|table| *table != JOURNAL);
        for table in tables.chain(["session_migration", JOURNAL]) {
            run_leased(context, &format!("DROP TABLE IF EXISTS {table}")).await?;
        }
        return Ok(());
    }
    if manifest.is_without_indexes {
        create_indexes(&context.target, context.dialect()).await?;
    }
    let transaction = context.begin_leased().await?;
    if manifest.made_tables {
        pass_tables_on(context, &transaction).await?;
    }
    context.journal.remove(&transaction).await?;
    Ok(transaction.commit().await?)
}

/// Has another move drop the tables with its rollback.
async fn pass_tables_on(
    context: &MoveContext,
    transaction: &DatabaseTransaction,
) -> Result<(), MigrateError> {
    let all = context.journal.all(transaction).await?;
    let Some(heir) = all.iter().find(|journal| journal.id != context.id) else { return Ok(()) };
    let manifest = MoveManifest { made_tables: true, ..MoveManifest::of(heir)? };
    context.journal.set_manifest(transaction, heir.id, &manifest.to_json()).await
}

/// Returns whether the target has the session tables, and no row in them. An application's own
/// migrations may have made them, so that they are not dropped on a guess.
pub(super) async fn has_empty_tables(context: &MoveContext) -> Result<bool, MigrateError> {
    for table in ["login_session", JOURNAL] {
        if !exists(&context.target, context.dialect(), table).await? {
            return Ok(false);
        }
    }
    Ok(!is_used_by_others(context).await?)
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

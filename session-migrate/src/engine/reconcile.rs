//! Writes to the target what some rows of the source ask for, whatever the target holds.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm_migration::sea_orm::DatabaseTransaction;
use session_core::token::SealedTokens;
use session_core::{Keyring, SessionId};

use super::batch::in_parallel;
use super::mapped_table::MappedTable;
use super::worker::Worker;
use crate::error::MigrateError;
use crate::journal::{Checkpoint, Phase};
use crate::source::SourceRow;
use crate::sql::begin;
use crate::target::{Disposition, ExistingRow, LiveRow, SealedRow, is_same_quarantined, seal};

/// Rows of one table as the source has them now, each with whether the cap prunes it, and the ids of
/// rows that the source no longer has.
#[derive(Debug)]
pub(crate) struct SourceState<'a> {
    pub(crate) table: &'a MappedTable,
    pub(crate) rows: Vec<(SourceRow, bool)>,
    pub(crate) gone: Vec<SessionId>,
}

/// The writes that make the target equal to the source.
#[derive(Debug, Default)]
struct WriteSet<'a> {
    insert: Vec<&'a SealedRow>,
    update: Vec<(&'a LiveRow, &'a SealedTokens)>,
    remove: Vec<SessionId>,
}

/// Writes what differs, and records the checkpoint `to`, in one transaction.
///
/// A session that has ended in the target stays ended.
pub(crate) async fn reconcile(
    worker: &mut Worker<'_>,
    state: SourceState<'_>,
    to: &Checkpoint,
) -> Result<(), MigrateError> {
    let SourceState { table, rows, gone } = state;
    let planner = table.planner_at(worker.now());
    let keyring = Arc::clone(&worker.keyring);
    let wanted = in_parallel(rows, move |(row, is_pruned)| {
        let plan = planner.plan(&row, is_pruned);
        Ok((plan.id, seal(&row, plan, &keyring)?))
    });
    write(worker, &wanted.await?, &gone, to).await
}

/// Writes what differs of rows that are sealed already, and records the checkpoint `to`.
pub(super) async fn reconcile_sealed(
    worker: &mut Worker<'_>,
    rows: Vec<SealedRow>,
    to: &Checkpoint,
) -> Result<(), MigrateError> {
    let wanted: Vec<_> = rows.into_iter().map(|row| (row.id, Some(row))).collect();
    write(worker, &wanted, &[], to).await
}

/// Removes rows that the source no longer has.
pub(crate) async fn remove(
    worker: &mut Worker<'_>,
    gone: &[SessionId],
) -> Result<(), MigrateError> {
    let to = worker.checkpoint.clone();
    write(worker, &[], gone, &to).await
}

/// Writes what differs, repeating the transaction while others are in its way.
async fn write(
    worker: &mut Worker<'_>,
    wanted: &[(SessionId, Option<SealedRow>)],
    gone: &[SessionId],
    to: &Checkpoint,
) -> Result<(), MigrateError> {
    let mut point = worker.retry_point();
    loop {
        match try_write(worker, wanted, gone, to).await {
            Ok(()) => return Ok(()),
            Err(failure) => worker.prepare_retry(&mut point, failure).await?,
        }
    }
}

async fn try_write(
    worker: &mut Worker<'_>,
    wanted: &[(SessionId, Option<SealedRow>)],
    gone: &[SessionId],
    to: &Checkpoint,
) -> Result<(), MigrateError> {
    let transaction = begin(&worker.context.target).await?;
    write_in(worker, &transaction, wanted, gone).await?;
    worker.checkpoint = to.clone();
    worker.note(&transaction).await?;
    Ok(transaction.commit().await?)
}

async fn write_in(
    worker: &mut Worker<'_>,
    transaction: &DatabaseTransaction,
    wanted: &[(SessionId, Option<SealedRow>)],
    gone: &[SessionId],
) -> Result<(), MigrateError> {
    let ids: Vec<SessionId> = wanted.iter().map(|(id, _)| *id).collect();
    let existing = worker.target.existing_rows(transaction, &ids).await?;
    let mut writes = write_set(wanted, &existing, &worker.keyring);
    writes.remove.extend(gone);
    worker.target.remove(transaction, &writes.remove).await?;
    worker.target.insert(transaction, writes.insert.iter().copied(), worker.now()).await?;
    for (live, sealed) in &writes.update {
        worker.target.update(transaction, live, sealed).await?;
    }
    if worker.phase == Phase::Rank {
        worker.counts.read += u64::try_from(wanted.len()).unwrap_or(0);
        worker.count(writes.insert.into_iter());
    } else {
        let changed = writes.insert.len() + writes.update.len() + writes.remove.len();
        worker.counts.repaired += u64::try_from(changed).unwrap_or(0);
    }
    Ok(())
}

fn write_set<'a>(
    wanted: &'a [(SessionId, Option<SealedRow>)],
    existing: &HashMap<SessionId, ExistingRow>,
    keyring: &Keyring,
) -> WriteSet<'a> {
    let mut writes = WriteSet::default();
    for (id, wanted) in wanted {
        match (existing.get(id), wanted) {
            (None, None) => {}
            (None, Some(row)) => writes.insert.push(row),
            (Some(_), None) => writes.remove.push(*id),
            (Some(existing), Some(row)) => match action(existing, row, keyring) {
                RowAction::Keep => {}
                RowAction::Update(live) => writes.update.push((live, &row.sealed)),
                RowAction::Replace => {
                    writes.remove.push(*id);
                    writes.insert.push(row);
                }
            },
        }
    }
    writes
}

/// What is done with a row that the target holds already.
#[derive(Debug)]
enum RowAction<'a> {
    Keep,
    Update(&'a LiveRow),
    Replace,
}

fn action<'a>(existing: &ExistingRow, row: &'a SealedRow, keyring: &Keyring) -> RowAction<'a> {
    match (existing, &row.disposition) {
        (ExistingRow::Live(existing), _) if existing.is_ended => RowAction::Keep,
        (ExistingRow::Live(existing), Disposition::Live(live)) => {
            let opened = existing.open(keyring);
            let is_same = opened.is_some_and(|opened| existing.is_for(live, &opened));
            match (is_same, existing.is_of_user_and_provider(live)) {
                (true, _) => RowAction::Keep,
                (false, true) => RowAction::Update(live),
                (false, false) => RowAction::Replace,
            }
        }
        (ExistingRow::Quarantined(entry), Disposition::Quarantine(of))
            if entry.state == of.reason.state()
                && is_same_quarantined(entry.id, &entry.sealed, &row.sealed.tokens, keyring) =>
        {
            RowAction::Keep
        }
        _ => RowAction::Replace,
    }
}

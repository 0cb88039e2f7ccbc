//! Writes to the target what some rows of the source ask for, whatever the target holds.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm_migration::sea_orm::DatabaseTransaction;
use session_core::token::SealedTokens;
use session_core::{Keyring, SessionId};

use super::mapped_table::{MappedTable, over_cap_threshold};
use super::worker::Worker;
use crate::error::MigrateError;
use crate::journal::Checkpoint;
use crate::parallel::in_parallel;
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
    let wanted: Result<Vec<_>, MigrateError> = wanted.await?.into_iter().collect();
    write(worker, &wanted?, &gone, to).await
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
    if gone.is_empty() {
        return Ok(());
    }
    let to = worker.checkpoint.clone();
    write(worker, &[], gone, &to).await
}

/// Removes quarantined rows, and leaves the sessions of the same ids alone.
pub(super) async fn remove_quarantined(
    worker: &mut Worker<'_>,
    stray: &[SessionId],
) -> Result<(), MigrateError> {
    if stray.is_empty() {
        return Ok(());
    }
    let transaction = worker.context.begin_leased().await?;
    let removed = worker.target.remove_quarantined(&transaction, stray).await?;
    worker.counts.repaired += removed;
    worker.note(&transaction).await?;
    transaction.commit().await?;
    worker.held = worker.held.saturating_sub(removed);
    Ok(())
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
    let (inserted, removed) = write_in(worker, &transaction, wanted, gone).await?;
    worker.checkpoint = to.clone();
    worker.note(&transaction).await?;
    transaction.commit().await?;
    worker.held = (worker.held + inserted).saturating_sub(removed);
    Ok(())
}

/// Writes what differs; returns how many rows it has inserted and removed.
async fn write_in(
    worker: &mut Worker<'_>,
    transaction: &DatabaseTransaction,
    wanted: &[(SessionId, Option<SealedRow>)],
    gone: &[SessionId],
) -> Result<(u64, u64), MigrateError> {
    let ids: Vec<SessionId> =
        wanted.iter().map(|(id, _)| *id).chain(gone.iter().copied()).collect();
    let existing = worker.target.existing_rows(transaction, &ids).await?;
    if over_cap_threshold(worker.context.cap()).is_some() {
        worker.left.extend(left(wanted, gone, &existing));
    }
    let mut writes = write_set(wanted, &existing, &worker.keyring);
    writes.remove.extend(gone);
    let removed = worker.target.remove(transaction, &writes.remove).await?;
    worker.target.insert(transaction, writes.insert.iter().copied(), worker.now()).await?;
    for (live, sealed) in &writes.update {
        worker.target.update(transaction, live, sealed).await?;
    }
    let changed = writes.insert.len() + writes.update.len() + writes.remove.len();
    worker.counts.repaired += u64::try_from(changed).unwrap_or(0);
    Ok((u64::try_from(writes.insert.len()).unwrap_or(0), removed))
}

/// Returns the users and providers that rows leave.
fn left(
    wanted: &[(SessionId, Option<SealedRow>)],
    gone: &[SessionId],
    existing: &HashMap<SessionId, ExistingRow>,
) -> Vec<(String, String)> {
    let wanted = wanted
        .iter()
        .map(|(id, row)| (id, row.as_ref().and_then(|row| row.disposition.partition())));
    let all = wanted.chain(gone.iter().map(|id| (id, None)));
    let left = all.filter_map(|(id, next)| {
        let (user, provider) = existing.get(id)?.partition()?;
        (next != Some((&user, &provider))).then_some((user, provider))
    });
    left.collect()
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
        (ExistingRow::Live(existing), _) if existing.is_ended() => RowAction::Keep,
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

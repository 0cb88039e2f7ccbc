//! Applies what others wrote to the source meanwhile, from the change log.

use std::collections::BTreeSet;
use std::time::Duration;

use session_core::SessionId;

use super::batch::Stopwatch;
use super::captures::Captures;
use super::examine::Examiner;
use super::mapped_table::{MappedTable, over_cap_threshold};
use super::reconcile::{SourceState, reconcile};
use super::worker::Worker;
use crate::capture::{Change, ChangedRows};
use crate::error::MigrateError;
use crate::source::{SourceKey, SourceRow};
use crate::sql::Cell;

/// How many changes are applied at a time.
const BATCH: u32 = 500;

/// Fewer changes than this in one reading are all that there were.
const FULL_BATCH: usize = BATCH as usize;

/// With at most this many changes left, the rest can wait for the cutover: under load a log is never
/// quite empty.
const NEARLY_EMPTY: usize = 50;

/// After so many complete readings in a row the log gets no shorter: as much is written to it while
/// it is applied.
const MAX_COMPLETE_READINGS: u32 = 5;

/// How far the change logs are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Until they are empty: writes are blocked.
    Empty,
    /// Until the rest takes no time, or does not get shorter.
    NearlyEmpty,
}

/// What was seen while the logs were applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaughtUp {
    /// Whether each entry named the rows that had changed.
    pub(crate) names_rows: bool,
    /// Whether the rows that were compared after they were applied agree.
    pub(crate) agrees: bool,
}

/// Applies the changes in the logs. With [`Until::Empty`], compares the changed rows of both sides
/// after each batch.
pub(crate) async fn catch_up(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
    until: Until,
) -> Result<CaughtUp, MigrateError> {
    let source = &worker.context.source;
    let mut seen = CaughtUp { names_rows: true, agrees: true };
    let mut complete_readings = 0;
    loop {
        rank_left(worker).await?;
        let mut most = 0;
        for (table, capture) in captures.iter() {
            let mut clock = Stopwatch::start(worker.context.clock());
            let changes = capture.changes(source, BATCH).await?;
            if changes.is_empty() {
                continue;
            }
            apply(worker, table, &changes).await?;
            seen.names_rows &= changes.iter().all(|change| change.what != ChangedRows::All);
            if until == Until::Empty {
                seen.agrees &= agrees(worker, table, &changes).await?;
            }
            // Last: after a crash before this point the changes are applied once more.
            capture.forget(source, &changes).await?;
            most = most.max(changes.len());
            // A move that has fallen behind does not rest, or the log would grow.
            let took = clock.lap(worker.context.clock());
            let is_behind = changes.len() >= FULL_BATCH;
            worker.between_batches(if is_behind { Duration::ZERO } else { took }).await?;
        }
        complete_readings = if most < FULL_BATCH { complete_readings + 1 } else { 0 };
        let is_level = complete_readings == MAX_COMPLETE_READINGS;
        match until {
            Until::Empty if most == 0 && worker.left.is_empty() => return Ok(seen),
            Until::NearlyEmpty if most <= NEARLY_EMPTY || is_level => return Ok(seen),
            _ => {}
        }
    }
}

/// Ranks the users and providers again that rows have left other than by a logged change: while both
/// sides were compared, a row may have been read under two users.
async fn rank_left(worker: &mut Worker<'_>) -> Result<(), MigrateError> {
    let left: Vec<_> = std::mem::take(&mut worker.left).into_iter().collect();
    let context = worker.context;
    for some in left.chunks(FULL_BATCH) {
        let partitions: Vec<_> =
            some.iter().cloned().map(|(user, provider)| (user, Some(provider))).collect();
        for table in &context.tables {
            let rows = table.source.rows_of_partitions(&context.source, &partitions).await?;
            let rows = table.judge(context.cap(), rows)?;
            let to = worker.checkpoint.clone();
            reconcile(worker, SourceState { table, rows, gone: Vec::new() }, &to).await?;
        }
    }
    Ok(())
}

async fn apply(
    worker: &mut Worker<'_>,
    table: &MappedTable,
    changes: &[Change],
) -> Result<(), MigrateError> {
    let (state, ranked) = state(worker, table, changes).await?;
    let to = worker.checkpoint.clone();
    reconcile(worker, state, &to).await?;
    worker.left.retain(|partition| !ranked.contains(partition));
    Ok(())
}

/// Returns whether the target holds what the source asks for of the rows that changes concern.
async fn agrees(
    worker: &Worker<'_>,
    table: &MappedTable,
    changes: &[Change],
) -> Result<bool, MigrateError> {
    let (SourceState { rows, gone, .. }, _) = state(worker, table, changes).await?;
    let examined = Examiner::new(worker.context, false)?.examine(table, rows).await?;
    let is_same = examined.iter().all(|examined| examined.outcome.difference().is_none());
    let left = worker.target.existing_rows(&worker.context.target, &gone).await?;
    Ok(is_same && left.is_empty())
}

/// Returns the rows that changes concern as the source has them now: with a cap, also the other rows
/// of their users and providers, which are returned with them.
async fn state<'t>(
    worker: &Worker<'_>,
    table: &'t MappedTable,
    changes: &[Change],
) -> Result<(SourceState<'t>, BTreeSet<(String, String)>), MigrateError> {
    let context = worker.context;
    let (mut rows, gone) = changed(worker, table, changes).await?;
    let mut ranked = BTreeSet::new();
    // Without a cap no row depends on another one.
    if over_cap_threshold(context.cap()).is_some() {
        ranked = partitions(worker, table, &rows, &gone).await?;
        let partitions: Vec<_> =
            ranked.iter().cloned().map(|(user, provider)| (user, Some(provider))).collect();
        let whole = table.source.rows_of_partitions(&context.source, &partitions).await?;
        // A row without a user or a provider is in no partition.
        let found: BTreeSet<SessionId> = whole.iter().map(|row| table.id(&row.key)).collect();
        rows.retain(|row| !found.contains(&table.id(&row.key)));
        rows.extend(whole);
    }
    Ok((SourceState { table, rows: table.judge(context.cap(), rows)?, gone }, ranked))
}

/// Returns the changed rows as the source has them now, and the ids of those that it no longer has.
async fn changed(
    worker: &Worker<'_>,
    table: &MappedTable,
    changes: &[Change],
) -> Result<(Vec<SourceRow>, Vec<SessionId>), MigrateError> {
    let source = &worker.context.source;
    let mut keys: Vec<Vec<Cell>> = Vec::new();
    let mut rows = Vec::new();
    for change in changes {
        match &change.what {
            ChangedRows::Key(key) => keys.push(key.clone()),
            ChangedRows::Related { column, join, value } => {
                let values = std::slice::from_ref(value);
                let related = table.source.rows_related(source, column, join.as_deref(), values);
                rows.extend(related.await?);
            }
            // What a whole table lost is found when both sides are compared.
            ChangedRows::All => {}
        }
    }
    rows.extend(table.source.rows_by_keys(source, &keys).await?);
    let mut found = BTreeSet::new();
    rows.retain(|row| found.insert(table.id(&row.key)));
    let ids = keys.into_iter().map(|key| table.id(&SourceKey::new(key)));
    let gone: BTreeSet<SessionId> = ids.filter(|id| !found.contains(id)).collect();
    Ok((rows, gone.into_iter().collect()))
}

/// Returns the users and providers that changes concern: those of the rows as they are now, and as
/// the target holds them.
async fn partitions(
    worker: &Worker<'_>,
    table: &MappedTable,
    rows: &[SourceRow],
    gone: &[SessionId],
) -> Result<BTreeSet<(String, String)>, MigrateError> {
    let now = rows.iter().filter_map(|row| row.user.clone().zip(row.provider.clone()));
    let mut partitions: BTreeSet<(String, String)> = now.collect();
    let ids: Vec<SessionId> =
        rows.iter().map(|row| table.id(&row.key)).chain(gone.iter().copied()).collect();
    let existing = worker.target.existing_rows(&worker.context.target, &ids).await?;
    partitions.extend(existing.into_values().filter_map(|row| row.partition()));
    Ok(partitions)
}

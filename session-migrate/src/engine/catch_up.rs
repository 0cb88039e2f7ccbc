//! What was written to the source meanwhile: the change log is worked off until it is dry.

use std::collections::BTreeSet;
use std::time::Duration;

use session_core::SessionId;

use super::pass::Stopwatch;
use super::reconcile::{Wanted, reconcile};
use super::verdict::{crowd_size, pruned};
use super::watches::Watches;
use super::work::Work;
use crate::capture::{Change, ChangedRows};
use crate::error::MigrateError;
use crate::source::{SourceKey, SourceRow, SourceTable};
use crate::sql::Cell;
use crate::target::{Standing, of_row};

/// How many changes are applied at a time.
const BATCH: u32 = 500;

/// Fewer changes than this at once are all that there were.
const WHOLE: usize = BATCH as usize;

/// Below so many changes the rest can wait for the bar: under load a log is never quite empty.
const NEARLY_DRY: usize = 50;

/// A log that was read whole so many times in a row gets no shorter: while it is applied, as much is
/// written again.
const LEVEL: u32 = 5;

/// How far a log is to be worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Nothing is in it: nobody writes any more.
    Dry,
    /// What is in it takes no time, or waiting makes it no less.
    NearlyDry,
}

/// Applies what the logs hold.
pub(crate) async fn drain(
    work: &mut Work<'_>,
    watches: &Watches,
    until: Until,
) -> Result<(), MigrateError> {
    let source = &work.ground.source;
    let mut level = 0;
    loop {
        let mut most = 0;
        for (mapping, watch) in watches.iter() {
            let mut clock = Stopwatch::start(work.ground.clock());
            let changes = watch.changes(source, BATCH).await?;
            if changes.is_empty() {
                continue;
            }
            apply(work, *mapping, &changes).await?;
            // Only now: a process that dies before applies them once more.
            watch.forget(source, &changes).await?;
            most = most.max(changes.len());
            // Who has fallen behind leaves the application no time in between: the log would grow.
            let took = clock.lap(work.ground.clock());
            let is_behind = changes.len() >= WHOLE;
            work.between(if is_behind { Duration::ZERO } else { took }).await?;
        }
        level = if most < WHOLE { level + 1 } else { 0 };
        match until {
            Until::Dry if most == 0 => return Ok(()),
            Until::NearlyDry if most <= NEARLY_DRY || level == LEVEL => return Ok(()),
            _ => {}
        }
    }
}

async fn apply(
    work: &mut Work<'_>,
    mapping: usize,
    changes: &[Change],
) -> Result<(), MigrateError> {
    let Some(table) = work.ground.tables.get(mapping) else { return Ok(()) };
    let (rows, gone) = changed(work, mapping, table, changes).await?;
    let (rows, verdicts) = match crowd_size(work.ground.cap()) {
        // Without a cap no row has to do with another one.
        None => {
            let verdicts = vec![false; rows.len()];
            (rows, verdicts)
        }
        Some(_) => {
            let pairs = pairs(work, &rows, &gone).await?;
            let pairs: Vec<_> =
                pairs.into_iter().map(|(user, provider)| (user, Some(provider))).collect();
            let rows = table.rows_of_partitions(&work.ground.source, &pairs).await?;
            let Some(mapping) = work.ground.mappings.mapping.get(mapping) else { return Ok(()) };
            let verdicts = pruned(work.ground.cap(), mapping, &rows)?;
            (rows, verdicts)
        }
    };
    let to = work.place.clone();
    let rows = rows.into_iter().zip(verdicts).collect();
    reconcile(work, Wanted { mapping, rows, gone }, &to).await.map(drop)
}

/// The rows that changes name, as they are now, and the ids of those that are gone.
async fn changed(
    work: &Work<'_>,
    mapping: usize,
    table: &SourceTable,
    changes: &[Change],
) -> Result<(Vec<SourceRow>, Vec<SessionId>), MigrateError> {
    let source = &work.ground.source;
    let Some(gate) = work.ground.gate(mapping) else { return Ok((Vec::new(), Vec::new())) };
    let mut keys: Vec<Vec<Cell>> = Vec::new();
    let mut rows = Vec::new();
    for change in changes {
        match &change.what {
            ChangedRows::Key(key) => keys.push(key.clone()),
            ChangedRows::Related { column, join, value } => {
                let values = std::slice::from_ref(value);
                let related = table.rows_related(source, column, join.as_deref(), values);
                rows.extend(related.await?);
            }
            // What a whole table lost is found when both sides are compared.
            ChangedRows::All => {}
        }
    }
    rows.extend(table.rows_by_keys(source, &keys).await?);
    let id = |key: &SourceKey| of_row(&gate.mapping, key);
    let mut there = BTreeSet::new();
    rows.retain(|row| there.insert(id(&row.key)));
    let gone: BTreeSet<SessionId> = keys
        .into_iter()
        .map(|key| id(&SourceKey::new(key)))
        .filter(|id| !there.contains(id))
        .collect();
    Ok((rows, gone.into_iter().collect()))
}

/// The pairs that changes concern: those of the rows as they are, and as they were.
async fn pairs(
    work: &Work<'_>,
    rows: &[SourceRow],
    gone: &[SessionId],
) -> Result<BTreeSet<(String, String)>, MigrateError> {
    let now = rows.iter().filter_map(|row| row.user.clone().zip(row.provider.clone()));
    let mut pairs: BTreeSet<(String, String)> = now.collect();
    let mut ids: Vec<SessionId> = gone.to_vec();
    for (row, gate) in rows.iter().flat_map(|row| work.ground.gates.iter().map(move |g| (row, g))) {
        ids.push(of_row(&gate.mapping, &row.key));
    }
    for standing in work.target.standings(&work.ground.target, &ids).await?.into_values() {
        match standing {
            Standing::Live(row) => pairs.insert((row.user, row.provider)),
            Standing::Aside { pair: Some(pair), .. } => pairs.insert(pair),
            Standing::Aside { .. } => false,
        };
    }
    Ok(pairs)
}

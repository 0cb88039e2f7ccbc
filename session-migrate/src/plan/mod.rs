//! What an apply would do, worked out without writing anything.

mod digest;
mod report;
mod sql;

use std::sync::Arc;

use crate::engine::Ground;
use crate::engine::{Pass, Stopwatch, crowd_size, each, pruned};
use crate::error::MigrateError;
use crate::journal::exists;
use crate::source::{SourceRow, SourceTable, inspect::SourceReport};
use crate::target::of_row;
use digest::Parts;
pub use report::{Estimate, Plan, PlannedMapping, PlannedVictim};
pub(crate) use sql::statements;

/// How many rows are read at a time.
const BATCH: u32 = 1000;

/// The same, of crowds: each page reads the table twice where no index helps.
const CROWDS: u32 = 5000;

/// How many rows lie in the mapped tables.
pub(crate) async fn rows(ground: &Ground) -> Result<u64, MigrateError> {
    let mut rows = 0;
    for table in &ground.tables {
        rows += table.count(&ground.source).await?;
    }
    Ok(rows)
}

/// The plan: every row is read and opened, and the crowds are ranked.
pub(crate) async fn plan(ground: &Ground) -> Result<Plan, MigrateError> {
    let mut watch = Stopwatch::start(ground.clock());
    let mut parts = Parts::of(ground);
    let mut plan = Plan::begin(ground);
    plan.target_has_tables = exists(&ground.target, ground.dialect(), "login_session").await?;
    for (number, table) in ground.tables.iter().enumerate() {
        let report = read(ground, number, table, &mut parts).await?;
        let mut planned = PlannedMapping::of(report, ground.mappings.mapping.get(number));
        victims(ground, number, table, &mut planned, &mut parts).await?;
        parts.providers(&planned.source);
        plan.mappings.push(planned);
    }
    plan.finish(ground, watch.lap(ground.clock()), &parts);
    Ok(plan)
}

/// Counts a mapping's rows.
async fn read(
    ground: &Ground,
    number: usize,
    table: &Arc<SourceTable>,
    parts: &mut Parts,
) -> Result<SourceReport, MigrateError> {
    let mut report = table.report(&ground.source).await?;
    let name = ground.gates.get(number).map(|gate| gate.mapping.clone()).unwrap_or_default();
    let mut pass = Pass::new(table, &ground.source, None);
    while let Some(batch) = pass.next(BATCH).await? {
        ground.is_cancelled()?;
        for row in each(table, batch.rows, Ok).await? {
            report.add(&row);
            parts.key(of_row(&name, &row.key));
        }
    }
    report.finish();
    Ok(report)
}

/// Ranks the crowds, and says who would be pruned.
async fn victims(
    ground: &Ground,
    number: usize,
    table: &Arc<SourceTable>,
    planned: &mut PlannedMapping,
    parts: &mut Parts,
) -> Result<(), MigrateError> {
    let (Some(crowd), Some(mapping), Some(gate)) =
        (crowd_size(ground.cap()), ground.mappings.mapping.get(number), ground.gates.get(number))
    else {
        return Ok(());
    };
    let mut after = None;
    loop {
        let (rows, next) =
            table.over_cap_rows(&ground.source, crowd, after.as_ref(), CROWDS).await?;
        let verdicts = pruned(ground.cap(), mapping, &rows)?;
        planned.ties += ties(&rows, gate.newest_by);
        for (row, is_pruned) in rows.iter().zip(verdicts) {
            if is_pruned {
                let id = of_row(&gate.mapping, &row.key);
                parts.victim(id);
                planned.victim(id, row, gate.newest_by);
            }
        }
        after = next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// How many rows of these pairs share their moment with another one: the id decides between them.
fn ties(rows: &[SourceRow], by: Option<crate::source::NewestBy>) -> u64 {
    let moment = |row: &SourceRow| (row.user.clone(), row.provider.clone(), row.moment(by));
    let mut moments: Vec<_> = rows.iter().map(moment).collect();
    moments.sort();
    let tied = moments.chunk_by(|one, other| one == other).map(|same| same.len());
    let tied: usize = tied.filter(|rows| *rows > 1).sum();
    u64::try_from(tied).unwrap_or(u64::MAX)
}

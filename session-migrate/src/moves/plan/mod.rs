//! Works out what an apply would do, without writing anything.

mod digest;
mod report;

pub use report::{Estimate, Plan, PlannedMapping, PrunedRow};

use digest::PlanDigest;

use super::manifest::moved_before;
use super::preflight::obstacles;
use crate::capture::CaptureOwner;
use crate::engine::{
    Captures, MappedTable, MoveContext, Scan, Stopwatch, count_rows, decode, over_cap_threshold,
};
use crate::error::MigrateError;
use crate::journal::exists;
use crate::migrations;
use crate::progress::Activity;
use crate::source::inspect::SourceReport;
use crate::source::{NewestBy, SourceRow};
use crate::target::{create_statements, drop_statements, insert_template};

/// How many rows are read at a time.
const BATCH: u32 = 1000;

/// Reads and opens every row, ranks the over-cap partitions, and returns the plan.
pub(super) async fn plan(context: &MoveContext) -> Result<Plan, MigrateError> {
    let mut watch = Stopwatch::start(context.clock());
    let mut digest = PlanDigest::of(context);
    let mut plan = Plan::begin(context);
    plan.phase = context.journal.load(&context.target).await?.map(|journal| journal.phase);
    plan.target_has_tables = exists(&context.target, context.dialect(), "login_session").await?;
    context.progress.begin_activity(Activity::Plan, count_rows(context).await?);
    for table in &context.tables {
        let report = read(context, table, &mut digest).await?;
        let mut planned = PlannedMapping::new(report, table.mapping());
        rank(context, table, &mut planned, &mut digest).await?;
        planned.add_losses(table);
        planned.shared_cookies = table.source.shared_cookies(&context.source).await?;
        digest.add_providers(&planned.source);
        plan.mappings.push(planned);
    }
    plan.finish(context, watch.lap(context.clock()), &digest);
    let obstacles = obstacles(context).await?.into_iter().chain(moved_before(context).await?);
    plan.warnings.extend(obstacles.map(|found| format!("an apply will be refused: {found}")));
    Ok(plan)
}

/// Reads every row of a table, and counts what it finds.
async fn read(
    context: &MoveContext,
    table: &MappedTable,
    digest: &mut PlanDigest,
) -> Result<SourceReport, MigrateError> {
    let mut report = table.source.report(&context.source).await?;
    let mut scan = Scan::new(context, &table.source);
    while let Some(batch) = scan.next(BATCH).await? {
        context.check_cancelled()?;
        context.progress.add_rows(batch.rows.len());
        for row in decode(&table.source, batch.rows).await? {
            report.add_planned(&row);
            digest.add_key(table.id(&row.key));
        }
    }
    report.finish();
    Ok(report)
}

/// Ranks a table's over-cap partitions, and adds the rows that would be pruned.
async fn rank(
    context: &MoveContext,
    table: &MappedTable,
    planned: &mut PlannedMapping,
    digest: &mut PlanDigest,
) -> Result<(), MigrateError> {
    let Some(threshold) = over_cap_threshold(context.cap()) else { return Ok(()) };
    let mut scan = Scan::under_cap(context, &table.source);
    while let Some(batch) = scan.next(BATCH).await? {
        context.check_cancelled()?;
        let rows = table.source.over_cap(batch.rows, threshold);
        let mut rows = decode(&table.source, rows).await?;
        rows.sort_by_cached_key(|row| {
            (row.user.clone(), row.provider.clone(), row.key.canonical())
        });
        planned.ties += ties(&rows, table.planner().newest_by());
        for (row, is_pruned) in table.judge(context.cap(), rows)? {
            if is_pruned {
                let id = table.id(&row.key);
                digest.add_pruned(id);
                planned.add_pruned(table, id, &row);
            }
        }
    }
    Ok(())
}

/// Counts the rows that have the same user, provider and time as another one, so that the key decides
/// between them.
fn ties(rows: &[SourceRow], by: Option<NewestBy>) -> u64 {
    let moment = |row: &SourceRow| (row.user.clone(), row.provider.clone(), row.moment(by));
    let mut moments: Vec<_> = rows.iter().map(moment).collect();
    moments.sort();
    let tied = moments.chunk_by(|one, other| one == other).map(|same| same.len());
    let tied: usize = tied.filter(|rows| *rows > 1).sum();
    u64::try_from(tied).unwrap_or(u64::MAX)
}

/// Returns every statement of an apply that changes something, in the order in which they run; of the
/// statements that insert rows, one for each table.
pub(super) fn statements(context: &MoveContext) -> Result<Vec<String>, MigrateError> {
    // A move draws its tag when it begins.
    let owner = CaptureOwner::with_tag(context.id, "00000000");
    let captures = Captures::of(context, &owner)?;
    let mut statements = vec![format!("-- tables, in the target ({})", context.dialect().name())];
    statements.extend(migrations::statements(context.target.get_database_backend()));
    if context.options.is_online {
        statements.push("-- change log, in the source".to_owned());
        for (_, capture) in captures.iter() {
            statements.extend(capture.statements().start);
        }
    }
    let may_drop_indexes = !context.options.is_online;
    if may_drop_indexes {
        statements.push("-- indexes, in the target, if it has no sessions".to_owned());
        statements.extend(drop_statements(context.dialect()));
    }
    statements.push("-- rows, in the target, batch by batch with the journal".to_owned());
    statements.extend(insert_template(context.dialect(), context.id.as_uuid()));
    if may_drop_indexes {
        statements.extend(create_statements(context.dialect()));
    }
    statements.push("-- block writes, in the source".to_owned());
    for (_, capture) in captures.iter() {
        statements.extend(capture.statements().block);
    }
    statements.push("-- finalize or rollback, in the source".to_owned());
    for (_, capture) in captures.iter() {
        statements.extend(capture.statements().unblock);
        statements.extend(capture.statements().stop);
    }
    Ok(statements)
}

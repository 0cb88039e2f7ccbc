//! Both sides are compared, and what differs is repaired, until nothing does.

use super::compare::Comparison;
use super::examine::{Examined, Outcome};
use super::extras::{extras, totals};
use super::findings::Findings;
use super::pass::Stopwatch;
use super::reconcile::{Wanted, reconcile};
use super::work::Work;
use crate::error::{MigrateError, MigrateErrorKind};

/// How often both sides are compared before it is given up: each round repairs what it finds.
const MOST_ROUNDS: u32 = 6;

/// Compares until nothing differs.
///
/// # Errors
///
/// Of the kind `Differs` if something still does, because somebody writes to either side.
pub(crate) async fn settle(work: &mut Work<'_>) -> Result<Findings, MigrateError> {
    let mut last = round(work).await?;
    for _ in 1..MOST_ROUNDS {
        if last.mismatches == 0 {
            return Ok(last);
        }
        last = round(work).await?;
    }
    match last.mismatches {
        0 => Ok(last),
        differing => Err(MigrateError::because(
            MigrateErrorKind::Differs,
            format!("{differing} rows, after {MOST_ROUNDS} repairs"),
        )),
    }
}

/// One comparison, with a repair of each batch.
pub(crate) async fn round(work: &mut Work<'_>) -> Result<Findings, MigrateError> {
    let ground = work.ground;
    let mut comparison = Comparison::new(ground, false)?;
    let mut findings = Findings::default();
    let mut watch = Stopwatch::start(ground.clock());
    while let Some((mapping, examined)) = comparison.next().await? {
        examined.iter().for_each(|examined| findings.add(examined));
        repair(work, mapping, examined).await?;
        work.between(watch.lap(ground.clock())).await?;
        watch.lap(ground.clock());
    }
    let totals = totals(ground).await?;
    let (stand, found) = (totals.live + totals.aside, findings.found_live + findings.found_aside);
    // Rows that were missing stand by now; more than that have nothing in the source.
    if findings.mismatches > 0 || stand != found {
        let gone = extras(ground, findings.source_rows).await?;
        for id in &gone {
            findings.differs(id.to_string(), "it is missing in the source");
        }
        let wanted = Wanted { mapping: 0, rows: Vec::new(), gone };
        let to = work.place.clone();
        reconcile(work, wanted, &to).await?;
    }
    Ok(findings)
}

async fn repair(
    work: &mut Work<'_>,
    mapping: usize,
    examined: Vec<Examined>,
) -> Result<(), MigrateError> {
    let differs = |examined: &Examined| matches!(examined.outcome, Outcome::Differs(_));
    let rows: Vec<_> = examined
        .into_iter()
        .filter(differs)
        .map(|examined| (examined.row, examined.is_pruned))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let to = work.place.clone();
    reconcile(work, Wanted { mapping, rows, gone: Vec::new() }, &to).await.map(drop)
}

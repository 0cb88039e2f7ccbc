//! Compares the whole of both sides, and repairs what differs.

use session_core::Timestamp;

use super::batch::Stopwatch;
use super::captures::Captures;
use super::catch_up::{Until, catch_up};
use super::compare::Comparison;
use super::examine::{Examined, Outcome};
use super::extras::{SurplusRows, totals};
use super::findings::Findings;
use super::mapped_table::MappedTable;
use super::reconcile::{SourceState, reconcile, remove, remove_quarantined};
use super::worker::Worker;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::Phase;
use crate::target::{ExistingRow, add_revocations};

/// How many times both sides are compared before the move gives up; each round repairs what it finds.
const MAX_ROUNDS: u32 = 6;

/// How many times both sides are compared before writes are blocked: each time what was logged
/// meanwhile may differ, and nothing else.
const MAX_ROUNDS_BEFORE: u32 = 3;

/// How many rows a logged change makes differ at most, as a rule: with a cap, its own and that which
/// takes or leaves its place, before and after.
const DIFFERENCES_PER_CHANGE: u64 = 4;

/// The least number of logged changes that are reckoned with.
const MIN_CHANGES: u64 = 50;

/// Compares and repairs while the source is written, until only logged changes differ. Returns what
/// the last comparison found, after which the log names each row that has changed; `None` if the
/// rounds did not suffice.
pub(crate) async fn converge_online(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
) -> Result<Option<Findings>, MigrateError> {
    catch_up(worker, captures, Until::NearlyEmpty).await?;
    for _ in 0..MAX_ROUNDS_BEFORE {
        let findings = compare_and_repair(worker).await?;
        let logged = captures.logged().await?.max(MIN_CHANGES);
        let seen = catch_up(worker, captures, Until::NearlyEmpty).await?;
        let is_explained = findings.mismatches <= logged.saturating_mul(DIFFERENCES_PER_CHANGE);
        if is_explained && seen.names_rows {
            return Ok(Some(findings));
        }
    }
    Ok(None)
}

/// Compares and repairs until nothing differs.
///
/// # Errors
///
/// Returns an error of the kind `Differs` if rows still differ after the last round, because some
/// process writes to one of the sides.
pub(crate) async fn converge(worker: &mut Worker<'_>) -> Result<Findings, MigrateError> {
    let mut last = compare_and_repair(worker).await?;
    for _ in 1..MAX_ROUNDS {
        if last.mismatches == 0 {
            return Ok(last);
        }
        last = compare_and_repair(worker).await?;
    }
    match last.mismatches {
        0 => Ok(last),
        differing => Err(MigrateError::because(
            MigrateErrorKind::Differs,
            format!(
                "{differing} rows after {MAX_ROUNDS} repairs; stop what writes to either side, \
                 and run apply again"
            ),
        )),
    }
}

/// Compares both sides once, and repairs each batch.
async fn compare_and_repair(worker: &mut Worker<'_>) -> Result<Findings, MigrateError> {
    let context = worker.context;
    let mut comparison = Comparison::new(context, false)?;
    let mut findings = Findings::default();
    let mut watch = Stopwatch::start(context.clock());
    while let Some((table, examined)) = comparison.next().await? {
        examined.iter().for_each(|examined| findings.add(examined));
        repair(worker, table, examined).await?;
        worker.between_batches(watch.lap(context.clock())).await?;
        watch.lap(context.clock());
    }
    let totals = totals(context).await?;
    worker.held = totals.rows();
    let surplus = SurplusRows::of(context, &findings, totals).await?;
    surplus.add_to(&mut findings);
    remove(worker, &surplus.without_source).await?;
    remove_quarantined(worker, &surplus.stray).await?;
    Ok(findings)
}

/// Compares both sides once more when the target is open and the source takes no more writes, and
/// records the result. What was not in the log is found here.
///
/// # Errors
///
/// Returns an error of the kind `Differs` if rows differ.
pub(crate) async fn confirm(
    worker: &mut Worker<'_>,
    opened_at: Timestamp,
) -> Result<(), MigrateError> {
    let context = worker.context;
    let mut comparison = Comparison::new(context, true)?;
    let mut findings = Findings::default();
    while let Some((_, examined)) = comparison.next().await? {
        context.check_cancelled()?;
        examined.iter().for_each(|examined| findings.add(examined));
        revoke_ended(worker, &examined, |ended_at| ended_at <= opened_at).await?;
    }
    let totals = totals(context).await?;
    SurplusRows::of(context, &findings, totals).await?.add_to(&mut findings);
    if findings.mismatches > 0 {
        let detail = format!(
            "{} rows differ although the target is open, because they were changed in a way that no \
             trigger sees: `session-migrate verify` shows them, and a rollback closes the target",
            findings.mismatches
        );
        return Err(MigrateError::because(MigrateErrorKind::Differs, detail));
    }
    worker.settle(&findings);
    worker.note_alone().await
}

/// Puts the refresh tokens of sessions that ended before the cutover into the outbox: those that the
/// source holds now, because the old application may have renewed them since.
async fn revoke_ended(
    worker: &Worker<'_>,
    examined: &[Examined],
    is_before_cutover: impl Fn(Timestamp) -> bool,
) -> Result<(), MigrateError> {
    let ended = examined.iter().filter_map(|of| match &of.existing {
        Some(ExistingRow::Live(row)) if row.ended_at.is_some_and(&is_before_cutover) => {
            Some((row.as_ref(), of.row.tokens.opened()?.refresh()?))
        }
        _ => None,
    });
    let ended: Vec<_> = ended.collect();
    if ended.is_empty() {
        return Ok(());
    }
    let context = worker.context;
    let keys = (context.dialect(), worker.keyring.as_ref());
    let transaction = context.begin_leased().await?;
    add_revocations(&transaction, keys, &ended, worker.now()).await?;
    Ok(transaction.commit().await?)
}

async fn repair(
    worker: &mut Worker<'_>,
    table: &MappedTable,
    examined: Vec<Examined>,
) -> Result<(), MigrateError> {
    if worker.phase == Phase::Cutover {
        revoke_ended(worker, &examined, |_| true).await?;
    }
    let differs = |examined: &Examined| matches!(examined.outcome, Outcome::Differs(_));
    let rows: Vec<_> = examined
        .into_iter()
        .filter(differs)
        .map(|examined| (examined.row, examined.is_pruned))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let to = worker.checkpoint.clone();
    reconcile(worker, SourceState { table, rows, gone: Vec::new() }, &to).await
}

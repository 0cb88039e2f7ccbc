//! The cutover: blocks writes to the source, applies the last changes, and opens the target.

use super::captures::Captures;
use super::catch_up::{Until, catch_up};
use super::converge::converge;
use super::extras::count_rows;
use super::findings::Findings;
use super::worker::Worker;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::Phase;

/// Blocks writes to the source, applies what was written before, and opens the target. `compared` is
/// what a comparison found since which the logs name each row that has changed: then only those rows
/// are compared behind the block, and otherwise both sides as a whole. If a step fails, writes are
/// unblocked, so that the old application goes on.
pub(crate) async fn cutover(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
    compared: Option<Findings>,
) -> Result<(), MigrateError> {
    worker.enter(Phase::Cutover).await?;
    match converge_blocked(worker, captures, compared).await {
        Ok(()) => worker.enter(Phase::Open).await,
        Err(error) => {
            give_up(worker, captures).await?;
            Err(error)
        }
    }
}

async fn converge_blocked(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
    compared: Option<Findings>,
) -> Result<(), MigrateError> {
    block_writes(worker, captures).await?;
    if worker.context.options.is_online {
        let seen = catch_up(worker, captures, Until::Empty).await?;
        if let Some(compared) = compared.filter(|_| seen.names_rows && seen.agrees)
            && captures.are_capturing().await?
            && is_complete(worker, &compared).await?
        {
            return Ok(());
        }
    }
    let findings = converge(worker).await?;
    worker.settle(&findings);
    Ok(())
}

/// Returns whether both sides have the same number of rows, as far as rows have tokens: what a
/// database changes without firing a trigger, such as `TRUNCATE`, shows here.
async fn is_complete(worker: &Worker<'_>, compared: &Findings) -> Result<bool, MigrateError> {
    Ok(count_rows(worker.context).await? == worker.held + compared.empty)
}

/// Blocks writes. An offline move goes on if the source takes no triggers, because no process writes
/// to it.
async fn block_writes(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
) -> Result<(), MigrateError> {
    match captures.block_writes().await {
        Err(error) if !worker.context.options.is_online => {
            worker.block_failure = Some(error.to_string());
            Ok(())
        }
        blocked => blocked,
    }
}

/// Goes back to catching up, and unblocks writes.
async fn give_up(worker: &mut Worker<'_>, captures: &Captures<'_>) -> Result<(), MigrateError> {
    let noted = worker.enter(Phase::CatchUp).await;
    // Another process that has taken the move over may rely on the block.
    if noted.as_ref().is_err_and(|error| error.kind() == MigrateErrorKind::Lost) {
        return noted;
    }
    if worker.block_failure.is_none() {
        captures.unblock_writes().await?;
    }
    noted
}

//! The cutover: blocks writes to the source, applies the last changes, and opens the target.

use super::captures::Captures;
use super::catch_up::{Until, catch_up};
use super::converge::converge;
use super::findings::Findings;
use super::worker::Worker;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::Phase;

/// Blocks writes to the source, applies what was written before, compares both sides, and opens the
/// target. If a step fails, writes are unblocked, so that the old application goes on.
pub(crate) async fn cutover(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
) -> Result<(), MigrateError> {
    worker.enter(Phase::Cutover).await?;
    match converge_blocked(worker, captures).await {
        Ok(findings) => {
            worker.settle(&findings);
            worker.enter(Phase::Open).await
        }
        Err(error) => {
            give_up(worker, captures).await?;
            Err(error)
        }
    }
}

async fn converge_blocked(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
) -> Result<Findings, MigrateError> {
    block_writes(worker, captures).await?;
    if worker.context.options.is_online {
        catch_up(worker, captures, Until::Empty).await?;
    }
    converge(worker).await
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

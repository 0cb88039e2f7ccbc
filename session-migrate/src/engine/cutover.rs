//! The cutover: blocks writes to the source, applies the last changes, and opens the target.

use session_core::middleware::ErrorChain;

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

/// Blocks writes. An offline move goes on if the source takes no triggers, because the operator says
/// that no process writes to it; then no table is blocked, so that no half of a block is relied on.
async fn block_writes(
    worker: &mut Worker<'_>,
    captures: &Captures<'_>,
) -> Result<(), MigrateError> {
    if let Some(why) = captures.not_captured() {
        worker.block_failure = Some(why.to_owned());
        return Ok(());
    }
    match captures.block_writes().await {
        Err(error) if !worker.context.options.is_online && takes_no_triggers(&error) => {
            captures.unblock_writes().await?;
            worker.block_failure = Some(ErrorChain(&error).to_string());
            Ok(())
        }
        blocked => blocked,
    }
}

/// Returns whether the source refuses triggers. A table that is in use proves that some process
/// writes, and a connection that was lost or a wait that was cancelled proves nothing.
fn takes_no_triggers(error: &MigrateError) -> bool {
    error.kind() == MigrateErrorKind::Source && !error.is_contended() && !error.is_disconnected()
}

/// Goes back to catching up, and unblocks writes.
async fn give_up(worker: &mut Worker<'_>, captures: &Captures<'_>) -> Result<(), MigrateError> {
    let noted = worker.enter(Phase::CatchUp).await;
    // Another process that has taken the move over may rely on the block.
    if noted.as_ref().is_err_and(|error| error.kind() == MigrateErrorKind::Lost) {
        return noted;
    }
    captures.unblock_writes().await?;
    noted
}

#[cfg(test)]
mod tests {
    use super::takes_no_triggers;
    use crate::error::{MigrateError, MigrateErrorKind};
    use crate::source::{SourceError, SourceErrorKind};
    use crate::sql::RedactedDbError;

    #[test]
    fn only_a_refusal_of_the_source_shows_that_it_takes_no_triggers() {
        let caused = |kind, cause| MigrateError::from(SourceError::new(kind).caused_by(cause));
        let refusals = [
            caused(SourceErrorKind::Statement, RedactedDbError::from("no triggers on views")),
            caused(SourceErrorKind::Statement, RedactedDbError::read_only()),
        ];
        for error in refusals {
            assert!(takes_no_triggers(&error), "{error}");
        }
        let others = [
            caused(SourceErrorKind::Busy, RedactedDbError::busy()),
            caused(SourceErrorKind::Statement, RedactedDbError::busy()),
            caused(SourceErrorKind::Statement, RedactedDbError::disconnected()),
            MigrateError::from(SourceError::new(SourceErrorKind::Busy)),
            MigrateError::from(SourceError::new(SourceErrorKind::Connection)),
            MigrateError::new(MigrateErrorKind::Cancelled),
            MigrateError::new(MigrateErrorKind::Lost),
            MigrateError::new(MigrateErrorKind::Statement),
        ];
        for error in others {
            assert!(!takes_no_triggers(&error), "{error}");
        }
    }
}

//! Rolls a move back: writes back behind the block, unblocks the source, and empties the target.

use std::time::Duration;

use super::failback::last_pass;
use super::manifest::{MoveManifest, journal, lock, take_over};
use super::proof::prove_keys;
use super::remove::{finish, has_empty_tables, remove_rows};
use super::report::RollbackReport;
use super::write_back::{list_changed, write_back};
use crate::capture::remains;
use crate::engine::{Captures, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, Phase, exists};
use crate::lock::Lock;
use crate::options::Renewed;
use crate::source::SourceError;
use crate::sql::Query;
use crate::target::uuid_literal;

/// How long a rollback waits for renewals under way after it has closed the target.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn rollback(
    context: &MoveContext,
    renewed: Renewed,
) -> Result<RollbackReport, MigrateError> {
    let lock = lock(context).await?;
    let report = rollback_locked(context, renewed, &lock).await;
    lock.release().await;
    report
}

/// Rolls back what there is, if there is a move.
pub(super) async fn abort(
    context: &MoveContext,
    renewed: Renewed,
) -> Result<RollbackReport, MigrateError> {
    match rollback(context, renewed).await {
        Err(error) if error.kind() == MigrateErrorKind::NoMove => {
            require_nothing_left(context, error).await?;
            let has_empty_tables = has_empty_tables(context).await?;
            Ok(RollbackReport { is_done: true, has_empty_tables, ..RollbackReport::default() })
        }
        report => report,
    }
}

/// Returns the error for a source without a move, if another name or target may lead to the move that
/// is meant: the target has moves, or the source shows one.
async fn require_nothing_left(
    context: &MoveContext,
    error: MigrateError,
) -> Result<(), MigrateError> {
    if !context.journal.all(&context.target).await?.is_empty() {
        return Err(error);
    }
    let remains = remains(&context.source).await.map_err(SourceError::from)?;
    let blocked = remains.blocks.first().map(|block| {
        format!(
            "in this target; writes to {} are blocked by the move {}: give its target and its \
             --name, or lift the block with `session-migrate unblock`",
            block.table, block.run
        )
    });
    let logged = remains.logs.first().map(|_| {
        "in this target; the source has the change log of one: give its target and its --name, or \
         remove the log with `session-migrate unblock`"
            .to_owned()
    });
    match blocked.or(logged) {
        Some(detail) => Err(MigrateError::because(MigrateErrorKind::NoMove, detail)),
        None => Ok(()),
    }
}

async fn rollback_locked(
    context: &MoveContext,
    renewed: Renewed,
    lock: &Lock,
) -> Result<RollbackReport, MigrateError> {
    let journal = journal(context).await?;
    if journal.phase == Phase::Finalized {
        return Err(MigrateError::because(
            MigrateErrorKind::Phase,
            "the move was finalized, and its source may be gone",
        ));
    }
    let manifest = MoveManifest::of(&journal)?;
    let captures = Captures::of(context, &manifest.capture_owner(context.id))?;
    // Without this table an earlier process has removed everything already.
    let has_sessions = exists(&context.target, context.dialect(), "login_session").await?;
    let was_open = journal.switched_at.is_some() && has_sessions;
    let has_keys = was_open && is_provable(context, &journal, &captures, renewed).await?;
    take_over(context, lock).await?;
    let mut report = RollbackReport { was: Some(journal.phase), ..RollbackReport::default() };
    // From now on nothing is renewed in the target, and an apply refuses to go on.
    context.journal.set_phase(&context.target, Phase::RollBack, context.clock().now()).await?;
    if was_open {
        wait_for_renewals(context).await?;
        if has_keys && renewed == Renewed::WriteBack {
            last_pass(context, &captures, &journal, &mut report).await?;
        }
        let is_complete = match has_keys {
            true => {
                let how = (renewed, journal.is_blocked);
                write_back(context, &captures, how, &mut report).await?
            }
            false => list_changed(context, &mut report).await?,
        };
        report.begun_since = sessions_begun_since(context).await?;
        if !is_complete {
            return Ok(report);
        }
        // From now on the source's tokens are the valid ones, and the application may renew them. A
        // rollback that is killed and run again must not overwrite them with the target's.
        context.journal.clear_opened(&context.target).await?;
    }
    captures.stop().await?;
    if has_sessions {
        remove_rows(context, &mut report).await?;
    }
    finish(context, &manifest).await?;
    report.is_done = true;
    report.has_empty_tables = !manifest.made_tables && has_empty_tables(context).await?;
    Ok(report)
}

/// Proves, before the first write, what writing back takes: the keys, and a source that nothing has
/// written to since the cutover. Returns whether the keys are those of the move, which what is to be
/// discarded does not take.
async fn is_provable(
    context: &MoveContext,
    journal: &Journal,
    captures: &Captures<'_>,
    renewed: Renewed,
) -> Result<bool, MigrateError> {
    let is_of_keys = |error: &MigrateError| {
        matches!(error.kind(), MigrateErrorKind::Keys | MigrateErrorKind::SourceKeys)
    };
    match prove_keys(context, journal).await {
        Err(error) if renewed == Renewed::Discard && is_of_keys(&error) => return Ok(false),
        proven => proven?,
    }
    if renewed == Renewed::Discard || !journal.is_blocked {
        return Ok(true);
    }
    captures.require_blocked().await?;
    Ok(true)
}

/// Waits for renewals under way, which may still write new tokens.
async fn wait_for_renewals(context: &MoveContext) -> Result<(), MigrateError> {
    let mine = uuid_literal(context.dialect(), context.id.as_uuid());
    let sql = format!(
        "SELECT COUNT(*) FROM login_session WHERE moved_by = {mine} AND lease_owner IS NOT NULL \
         AND ended_at IS NULL"
    );
    let since = context.clock().monotonic();
    loop {
        context.check_cancelled()?;
        let query = Query::new(context.dialect(), sql.clone());
        let leases = query.number(&context.target).await?;
        // A lease that lasts longer belongs to a process that is gone.
        if leases == 0 || context.clock().monotonic().saturating_sub(since) > RENEWAL_TIMEOUT {
            return Ok(());
        }
        context.clock().sleep(PAUSE).await;
    }
}

/// Counts the sessions that began in the target.
async fn sessions_begun_since(context: &MoveContext) -> Result<u64, MigrateError> {
    let sql = "SELECT COUNT(*) FROM login_session WHERE moved_by IS NULL AND ended_at IS NULL";
    let query = Query::new(context.dialect(), sql);
    query.number(&context.target).await.map_err(MigrateError::from)
}

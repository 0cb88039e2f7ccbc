//! Reports the status of moves, pauses them, and finalizes them.

use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::sea_orm::prelude::Uuid;
use session_core::SessionId;
use session_core::clock::{Clock as _, SystemClock};

use super::manifest::{MoveManifest, journal, lock, take_over};
use super::report::{FinalizeReport, MoveStatus, PauseReport, SourceStatus, StatusReport};
use crate::capture::{drop_leftovers, remains};
use crate::engine::{Captures, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{JournalTable, Phase, exists};
use crate::lock::Lock;
use crate::source::Mapping;
use crate::sql::Dialect;

/// Returns the status of all moves into a target, and what the source shows of them if it is given.
pub(super) async fn status(
    target: &DatabaseConnection,
    source: Option<&DatabaseConnection>,
) -> Result<StatusReport, MigrateError> {
    let dialect = Dialect::of(target.get_database_backend());
    let id = SessionId::from_uuid(Uuid::nil());
    let journal = JournalTable { dialect, id, runner: Uuid::nil() };
    let now = SystemClock::new().now();
    let mut moves = Vec::new();
    for journal in journal.all(target).await? {
        let mut status = MoveStatus::of(&journal, now);
        if let Some(source) = source {
            status.in_source = in_source(source, &MoveManifest::of(&journal)?.tag).await.ok();
        }
        moves.push(status);
    }
    let has_tables = exists(target, dialect, "login_session").await?;
    Ok(StatusReport { schema: "session-migrate/status/1", has_tables, moves })
}

/// Returns what the move with this tag has in the source.
async fn in_source(source: &DatabaseConnection, tag: &str) -> Result<SourceStatus, MigrateError> {
    let remains = remains(source).await?;
    let mut log_entries = 0;
    for log in remains.logs.iter().filter(|log| log.tag == tag) {
        log_entries += log.count(source).await?;
    }
    let blocked = remains.blocks.into_iter().filter(|block| block.tag == tag);
    Ok(SourceStatus { blocked: blocked.map(|block| block.table).collect(), log_entries })
}

pub(super) async fn set_paused(
    context: &MoveContext,
    is_paused: bool,
) -> Result<PauseReport, MigrateError> {
    let phase = journal(context).await?.phase;
    let is_over = !phase.is_before_cutover();
    // What is over is not paused, and what was paused before is not any more.
    let is_paused = is_paused && !is_over;
    context.journal.set_paused(&context.target, is_paused).await?;
    let schema = "session-migrate/pause/1";
    Ok(PauseReport { schema, phase, is_paused, is_over, applied: None })
}

pub(super) async fn finalize(context: &MoveContext) -> Result<FinalizeReport, MigrateError> {
    let lock = lock(context).await?;
    let report = finalize_locked(context, &lock).await;
    lock.release().await;
    report
}

async fn finalize_locked(
    context: &MoveContext,
    lock: &Lock,
) -> Result<FinalizeReport, MigrateError> {
    let journal = journal(context).await?;
    let owner_of_objects = MoveManifest::of(&journal)?.capture_owner(context.id);
    let captures = Captures::of(context, &owner_of_objects)?;
    match journal.phase {
        // A source that takes no triggers has no block; then the move is offline.
        Phase::Open if context.options.is_online || journal.is_blocked => {
            require_blocked(&captures).await?;
        }
        Phase::Open | Phase::Finalized => {}
        phase => {
            return Err(MigrateError::because(
                MigrateErrorKind::Phase,
                format!("finalize comes after the cutover, and the move is in the phase {phase}"),
            ));
        }
    }
    take_over(context, lock).await?;
    if journal.phase == Phase::Open {
        let now = context.clock().now();
        context.journal.set_phase(&context.target, Phase::Finalized, now).await?;
    }
    captures.stop().await?;
    // Of tables that were dropped, only the catalog knows what is left.
    drop_leftovers(&context.source, &owner_of_objects, &context.trigger_budget()).await?;
    let is_there = |of: &&Mapping| context.schema.table(of.schema.as_deref(), &of.table).is_some();
    let left = context.mappings.mapping.iter().filter(is_there);
    Ok(FinalizeReport {
        schema: "session-migrate/finalize/1",
        phase: Phase::Finalized,
        left_behind: left.map(|of| of.table.clone()).collect(),
    })
}

/// Returns an error if writes to the source are not blocked any more, so that old writers may be at
/// work.
async fn require_blocked(captures: &Captures<'_>) -> Result<(), MigrateError> {
    match captures.unblocked().await? {
        None => Ok(()),
        Some(table) => Err(MigrateError::because(
            MigrateErrorKind::Phase,
            format!(
                "the triggers that block writes to {table} are gone, so old instances may be \
                 writing to it: stop them, and run verify"
            ),
        )),
    }
}

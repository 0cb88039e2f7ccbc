//! Reports the status of moves, pauses them, and finalizes them.

use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::sea_orm::prelude::Uuid;
use session_core::SessionId;

use super::manifest::{MoveManifest, journal, lock, owner};
use super::report::{FinalizeReport, MoveStatus, PauseReport, StatusReport};
use crate::capture::drop_leftovers;
use crate::engine::{Captures, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{JournalTable, Phase, exists};
use crate::source::Mapping;
use crate::sql::Dialect;

pub(super) async fn status(target: &DatabaseConnection) -> Result<StatusReport, MigrateError> {
    let dialect = Dialect::of(target.get_database_backend());
    let id = SessionId::from_uuid(Uuid::nil());
    let journal = JournalTable { dialect, id, runner: Uuid::nil() };
    let journals = journal.all(target).await?;
    Ok(StatusReport {
        schema: "session-migrate/status/1",
        has_tables: exists(target, dialect, "login_session").await?,
        moves: journals.iter().map(MoveStatus::of).collect(),
    })
}

pub(super) async fn set_paused(
    context: &MoveContext,
    is_paused: bool,
) -> Result<PauseReport, MigrateError> {
    let journal = journal(context).await?;
    context.journal.set_paused(&context.target, is_paused).await?;
    Ok(PauseReport {
        schema: "session-migrate/pause/1",
        phase: journal.phase,
        is_paused,
        applied: None,
    })
}

pub(super) async fn finalize(context: &MoveContext) -> Result<FinalizeReport, MigrateError> {
    let lock = lock(context).await?;
    let report = finalize_locked(context).await;
    lock.release().await;
    report
}

async fn finalize_locked(context: &MoveContext) -> Result<FinalizeReport, MigrateError> {
    let journal = journal(context).await?;
    let owner_of_objects = MoveManifest::of(&journal)?.capture_owner(context.id);
    let captures = Captures::of(context, &owner_of_objects)?;
    match journal.phase {
        // Offline no process writes, and a source that takes no triggers has no block.
        Phase::Open if context.options.is_online => require_blocked(&captures).await?,
        Phase::Open | Phase::Finalized => {}
        phase => {
            return Err(MigrateError::because(
                MigrateErrorKind::Phase,
                format!("finalize comes after the cutover, and the move is in the phase {phase}"),
            ));
        }
    }
    context.journal.take_over(&context.target, &owner(context)).await?;
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

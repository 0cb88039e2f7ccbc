//! How far moves are, pausing them, and leaving their sources behind.

use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::sea_orm::prelude::Uuid;
use session_core::SessionId;

use super::locked::{locked, owner};
use super::report::{FinalizeReport, MoveStatus, PauseReport, StatusReport};
use crate::engine::Ground;
use crate::engine::Watches;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, JournalTable, Phase, exists};
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

async fn journal(ground: &Ground) -> Result<Journal, MigrateError> {
    let journal = ground.journal.load(&ground.target).await?;
    journal.ok_or_else(|| MigrateError::new(MigrateErrorKind::NoMove))
}

pub(super) async fn pause(ground: &Ground, is_paused: bool) -> Result<PauseReport, MigrateError> {
    let journal = journal(ground).await?;
    ground.journal.set_paused(&ground.target, is_paused).await?;
    Ok(PauseReport {
        schema: "session-migrate/pause/1",
        phase: journal.phase,
        is_paused,
        is_unfinished: journal.phase.is_before_switch(),
        applied: None,
    })
}

pub(super) async fn finalize(ground: &Ground) -> Result<FinalizeReport, MigrateError> {
    let lock = locked(ground).await?;
    let report = alone(ground).await;
    lock.release().await;
    report
}

async fn alone(ground: &Ground) -> Result<FinalizeReport, MigrateError> {
    let journal = journal(ground).await?;
    match journal.phase {
        // Offline nobody writes, and a source that takes no triggers has none.
        Phase::Switched if ground.options.is_online => require_barred(ground).await?,
        Phase::Switched => {}
        Phase::Finalized => {}
        phase => {
            return Err(MigrateError::because(
                MigrateErrorKind::Phase,
                format!("finalize comes after the switch, and the move is at {phase}"),
            ));
        }
    }
    let watches = Watches::of(ground)?;
    ground.journal.take_over(&ground.target, &owner(ground)).await?;
    if journal.phase == Phase::Switched {
        ground.journal.mark(&ground.target, Phase::Finalized, ground.clock().now()).await?;
    }
    watches.stop(ground).await?;
    Ok(FinalizeReport {
        schema: "session-migrate/finalize/1",
        phase: Phase::Finalized,
        left_behind: ground.mappings.mapping.iter().map(|of| of.table.clone()).collect(),
    })
}

/// Old writers are kept out by the bar; where somebody has taken it away, some may be there.
async fn require_barred(ground: &Ground) -> Result<(), MigrateError> {
    for (number, watch) in Watches::of(ground)?.iter() {
        if !watch.state(&ground.source).await?.is_blocked {
            let table = ground.mappings.mapping.get(*number).map_or("", |of| of.table.as_str());
            return Err(MigrateError::because(
                MigrateErrorKind::Phase,
                format!(
                    "the triggers that bar writes to {table} are gone, so old writers may be \
                     at work: stop them, and run verify"
                ),
            ));
        }
    }
    Ok(())
}

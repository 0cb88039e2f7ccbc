//! Reports the status of moves, pauses them, and finalizes them.

use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::sea_orm::prelude::Uuid;
use session_core::SessionId;
use session_core::clock::{Clock as _, SystemClock};

use super::failback::forget;
use super::manifest::{MoveManifest, is_unconfirmed, journal, lock, take_over, unconfirmed};
use super::outlook::tables_there;
use super::report::{FinalizeReport, MoveStatus, PauseReport, SourceStatus, StatusReport};
use crate::capture::{remains, remove_remains};
use crate::engine::{Captures, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, JournalTable, Phase, exists};
use crate::lock::Lock;
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

/// Returns whether a process works on the move.
///
/// # Errors
///
/// Returns an error of the kind `Busy` if a process works on another move into this target, which has
/// the same lock.
pub(super) async fn is_at_work(
    context: &MoveContext,
    journal: &Journal,
) -> Result<bool, MigrateError> {
    let url = context.options.target();
    let (holder, is_its) = match context.dialect() {
        Dialect::Sqlite => {
            let Some(holder) = Lock::holder(url, &context.target).await? else { return Ok(false) };
            let is_its = journal.owner.as_ref() == Some(&holder);
            (holder, is_its)
        }
        _ => match Lock::connection_of_holder(url, &context.target).await? {
            None => return Ok(false),
            Some(id) => (format!("connection {id}"), journal.connections.lock == Some(id)),
        },
    };
    match is_its {
        true => Ok(true),
        false => Err(MigrateError::because(MigrateErrorKind::Busy, holder)),
    }
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

/// Changes settings of a move. A process that works on it takes them over after its batch.
pub(super) async fn change_settings(
    context: &MoveContext,
    changes: &[(String, String)],
) -> Result<(), MigrateError> {
    let journal = journal(context).await?;
    let usage = |detail: String| MigrateError::because(MigrateErrorKind::Usage, detail);
    if !journal.phase.is_before_cutover() {
        let detail = format!("the move is in the phase {}, and no rows are moved", journal.phase);
        return Err(MigrateError::because(MigrateErrorKind::Phase, detail));
    }
    let mut manifest = MoveManifest::of(&journal)?;
    for (name, value) in changes {
        manifest.settings.set(name, value).map_err(usage)?;
    }
    context.journal.set_manifest(&context.target, context.id, &manifest.to_json()).await?;
    context.adopt_settings(manifest.settings);
    Ok(())
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
    if is_unconfirmed(&journal) && !context.tables.is_empty() {
        return Err(unconfirmed());
    }
    match journal.phase {
        // A source that takes no triggers has no block; then the move is offline.
        Phase::Open if context.options.is_online || journal.is_blocked => {
            require_blocked(context, &captures, owner_of_objects.tag()).await?;
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
    forget(context).await?;
    captures.stop().await?;
    // Of tables that were dropped, only the catalog knows what is left.
    let budget = context.trigger_budget();
    let removed = remove_remains(&context.source, &owner_of_objects, &budget);
    context.leased(async { Ok(removed.await?) }).await?;
    Ok(FinalizeReport {
        schema: "session-migrate/finalize/1",
        phase: Phase::Finalized,
        left_behind: tables_there(context),
    })
}

/// Returns an error if writes to the source are not blocked any more, so that old writers may be at
/// work.
async fn require_blocked(
    context: &MoveContext,
    captures: &Captures<'_>,
    tag: &str,
) -> Result<(), MigrateError> {
    let unblocked = match captures.unblocked().await? {
        Some(table) => Some(table.to_owned()),
        None => unblocked_beside_gone(context, tag).await?,
    };
    match unblocked {
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

/// Returns a table without a block where others were dropped, so that no table was opened.
async fn unblocked_beside_gone(
    context: &MoveContext,
    tag: &str,
) -> Result<Option<String>, MigrateError> {
    if !context.tables.is_empty() {
        return Ok(None);
    }
    let blocked = in_source(&context.source, tag).await?.blocked;
    Ok(tables_there(context).into_iter().find(|table| !blocked.contains(table)))
}

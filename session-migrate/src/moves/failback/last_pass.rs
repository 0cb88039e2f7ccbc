//! The last pass of a failback, in a rollback: brings over what is left, and hands the sessions that
//! began in the target over to the source.

use std::time::Duration;

use session_core::SessionId;

use super::sign_in::{noted_row, sign_in};
use super::source_writer::SourceWriter;
use super::work::Failback;
use crate::engine::{Captures, MoveContext};
use crate::error::MigrateError;
use crate::journal::Journal;
use crate::moves::report::RollbackReport;
use crate::moves::write_back::is_renewed;
use crate::target::{ExistingRow, StoredNote, TargetRow, hand_over, sign_in_notes};

/// How often a session that changes while it is handed over is looked at again, and the pause
/// between: as long as a rollback waits for renewals.
const MAX_TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// Brings over what is left of a failback, if there was one.
pub(in crate::moves) async fn last_pass(
    context: &MoveContext,
    captures: &Captures<'_>,
    journal: &Journal,
    report: &mut RollbackReport,
) -> Result<(), MigrateError> {
    if journal.failback.is_none() {
        return Ok(());
    }
    let mut of = Failback::open(context, captures, journal).await?.restarted();
    let before = of.writer.counts.written_back;
    of.bring_changes(None).await?;
    let (dialect, this) = (context.dialect(), context.id.as_uuid());
    for (id, note) in &sign_in_notes(&context.target, dialect, this, None).await? {
        context.check_cancelled()?;
        report.handed_over += u64::from(is_handed_over(&mut of.writer, *id, note).await?);
    }
    let counts = of.writer.counts;
    report.written_back += counts.written_back - before;
    (report.added, report.ended) = (counts.added, counts.ended);
    report.not_added = of.writer.skipped.into_values().collect();
    Ok(())
}

/// Hands a session that is a row of the source over to it: from then on only the source has the
/// session. Returns whether it does.
async fn is_handed_over(
    writer: &mut SourceWriter<'_>,
    id: SessionId,
    note: &StoredNote,
) -> Result<bool, MigrateError> {
    let context = writer.context;
    for tries in 0..=MAX_TRIES {
        let Some(session) = session(context, id).await? else { return Ok(false) };
        sign_in(writer, &session, Some(note)).await?;
        let Some((_, row)) = noted_row(writer, &session, note).await? else { return Ok(false) };
        let opened = session.open(context.keyring()?);
        let is_same = opened.is_some_and(|opened| is_renewed(&row, &opened) == Some(false));
        if session.is_ended() || !is_same {
            return Ok(false);
        }
        let transaction = context.begin_leased().await?;
        let is_waiting_over = tries == MAX_TRIES;
        let is_done = hand_over(&transaction, context.dialect(), &session, is_waiting_over).await?;
        transaction.commit().await?;
        if is_done {
            return Ok(true);
        }
        context.clock().sleep(PAUSE).await;
    }
    Ok(false)
}

async fn session(
    context: &MoveContext,
    id: SessionId,
) -> Result<Option<Box<TargetRow>>, MigrateError> {
    let mut found = context.target_table()?.existing_rows(&context.target, &[id]).await?;
    Ok(match found.remove(&id) {
        Some(ExistingRow::Live(row)) => Some(row),
        _ => None,
    })
}

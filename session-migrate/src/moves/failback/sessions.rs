//! Brings the current state of sessions into the source, whichever side they began on.

use std::collections::BTreeMap;

use session_core::SessionId;

use super::sign_in::sign_in;
use super::source_writer::{RowOfSession, SourceWriter};
use crate::engine::MoveContext;
use crate::error::MigrateError;
use crate::target::{ExistingRow, MovedBy, TargetRow, moved_by, sign_in_notes};

/// Brings the state of these sessions, as it is now, into the source.
pub(super) async fn bring_sessions(
    writer: &mut SourceWriter<'_>,
    ids: &[SessionId],
) -> Result<(), MigrateError> {
    let context = writer.context;
    let (target, dialect, this) = (&context.target, context.dialect(), context.id.as_uuid());
    let by = moved_by(target, dialect, this, ids).await?;
    let known: Vec<SessionId> =
        by.iter().filter(|(_, by)| **by != MovedBy::Another).map(|(id, _)| *id).collect();
    let existing = context.target_table()?.existing_rows(target, &known).await?;
    let live = existing.into_values().filter_map(|row| match row {
        ExistingRow::Live(row) => Some(row),
        ExistingRow::Quarantined(_) => None,
    });
    let (moved, begun): (Vec<_>, Vec<_>) =
        live.partition(|row| by.get(&row.id) == Some(&MovedBy::This));
    let mut rows = rows_of(context, &moved).await?;
    for session in &moved {
        match (rows.remove(&session.id), session.is_ended()) {
            (Some(row), _) => writer.bring(session, row).await?,
            (None, true) => {}
            (None, false) => writer.skip_change(session, "its row is gone from the source"),
        }
    }
    let begun_ids: Vec<SessionId> = begun.iter().map(|row| row.id).collect();
    let notes = sign_in_notes(target, dialect, this, Some(&begun_ids)).await?;
    for session in &begun {
        sign_in(writer, session, notes.get(&session.id)).await?;
    }
    Ok(())
}

/// Returns the rows that these sessions were moved from. A session's id does not tell the key of its
/// row, so the rows of its user and provider are read.
async fn rows_of<'a>(
    context: &'a MoveContext,
    moved: &[Box<TargetRow>],
) -> Result<BTreeMap<SessionId, RowOfSession<'a>>, MigrateError> {
    let partitions: Vec<(String, Option<String>)> =
        moved.iter().map(|row| (row.user.clone(), Some(row.provider.clone()))).collect();
    let mut found = BTreeMap::new();
    for table in &context.tables {
        let rows = table.source.rows_of_partitions(&context.source, &partitions).await?;
        found.extend(rows.into_iter().map(|row| (table.id(&row.key), (table, row))));
    }
    Ok(found)
}

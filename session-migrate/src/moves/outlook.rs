//! What a destructive command would touch, to be shown before it is confirmed.

use serde::Serialize;

use super::manifest::journal;
use crate::engine::{MoveContext, totals};
use crate::error::MigrateError;
use crate::journal::{Phase, exists};
use crate::source::Mapping;
use crate::sql::Query;
use crate::target::uuid_literal;

/// What rolling back, aborting or finalizing a move would touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MoveOutlook {
    /// The move's id.
    pub run: String,
    /// The move's phase.
    pub phase: Phase,
    /// Whether the target has been open, so that it may hold newer tokens than the source.
    pub was_open: bool,
    /// Sessions of the move in the target.
    pub sessions: u64,
    /// Those of them that have changed in the target since.
    pub changed: u64,
    /// The tables of the source that are there.
    pub tables: Vec<String>,
}

pub(super) async fn outlook(context: &MoveContext) -> Result<MoveOutlook, MigrateError> {
    let journal = journal(context).await?;
    let has_sessions = exists(&context.target, context.dialect(), "login_session").await?;
    let mine = uuid_literal(context.dialect(), context.id.as_uuid());
    let changed = format!(
        "SELECT COUNT(*) FROM login_session WHERE moved_by = {mine} AND \
         (revision > COALESCE(moved_revision, 1) OR ended_at IS NOT NULL)"
    );
    let (sessions, changed) = match has_sessions {
        true => {
            let changed = Query::new(context.dialect(), changed).number(&context.target).await?;
            (totals(context).await?.live, changed)
        }
        false => (0, 0),
    };
    Ok(MoveOutlook {
        run: context.id.to_string(),
        phase: journal.phase,
        was_open: journal.switched_at.is_some(),
        sessions,
        changed,
        tables: tables_there(context),
    })
}

/// Returns the mapped tables of the source but those that were dropped.
pub(super) fn tables_there(context: &MoveContext) -> Vec<String> {
    let is_there = |of: &&Mapping| context.schema.table(of.schema.as_deref(), &of.table).is_some();
    context.mappings.mapping.iter().filter(is_there).map(|of| of.table.clone()).collect()
}

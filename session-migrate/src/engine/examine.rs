//! Compares a source row with what the target holds for it.

use std::sync::Arc;

use session_core::{Keyring, SessionId, TokenSet};

use super::context::MoveContext;
use super::mapped_table::MappedTable;
use crate::error::MigrateError;
use crate::parallel::in_parallel;
use crate::source::SourceRow;
use crate::target::{
    Disposition, ExistingRow, LiveRow, QuarantineReason, RowPlanner, TargetRow, TargetTable,
    is_quarantined_as,
};

/// A row of the source beside what the target holds for it.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) id: SessionId,
    pub(crate) row: SourceRow,
    pub(crate) is_pruned: bool,
    pub(crate) state: RowState,
    pub(crate) outcome: Outcome,
    /// The tokens of the row in the target, opened.
    pub(crate) opened: Option<TokenSet>,
    pub(crate) existing: Option<ExistingRow>,
}

/// Where the source asks a row to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowState {
    Live,
    Pruned,
    Unreadable,
    /// The row holds no tokens.
    Empty,
}

impl RowState {
    fn of(disposition: Option<&Disposition>) -> Self {
        match disposition {
            Some(Disposition::Live(_)) => Self::Live,
            Some(Disposition::Quarantine(of)) => match of.reason {
                QuarantineReason::Pruned => Self::Pruned,
                QuarantineReason::Unreadable(_) => Self::Unreadable,
            },
            None => Self::Empty,
        }
    }

    /// Returns the state's name in reports.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Pruned => "pruned",
            Self::Unreadable => "unreadable",
            Self::Empty => "without_tokens",
        }
    }
}

/// Whether the target holds what the source asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Same,
    /// The row has changed since the cutover, as it may: it was renewed, rotated or ended.
    Changed,
    /// The row differs, in the way that is described.
    Differs(&'static str),
}

impl Outcome {
    /// Returns how the row differs; `None` if it does not.
    pub(crate) const fn difference(self) -> Option<&'static str> {
        match self {
            Self::Differs(how) => Some(how),
            Self::Same | Self::Changed => None,
        }
    }
}

/// Looks up and compares what the target holds.
#[derive(Debug)]
pub(super) struct Examiner<'a> {
    context: &'a MoveContext,
    target: TargetTable,
    keyring: Arc<Keyring>,
    /// Whether the target is open, so that rows may have changed since.
    is_open: bool,
}

impl<'a> Examiner<'a> {
    pub(super) fn new(context: &'a MoveContext, is_open: bool) -> Result<Self, MigrateError> {
        let (target, keyring) = (context.target_table()?, Arc::clone(context.keyring()?));
        Ok(Self { context, target, keyring, is_open })
    }

    /// Examines rows of a table, each with whether the cap prunes it.
    pub(super) async fn examine(
        &self,
        table: &MappedTable,
        rows: Vec<(SourceRow, bool)>,
    ) -> Result<Vec<Examined>, MigrateError> {
        let planner = table.planner_at(self.context.clock().now());
        let ids: Vec<SessionId> = rows.iter().map(|(row, _)| table.id(&row.key)).collect();
        let mut existing = self.target.existing_rows(&self.context.target, &ids).await?;
        let beside = rows.into_iter().zip(ids);
        let beside = beside.map(|((row, is_pruned), id)| (row, is_pruned, existing.remove(&id)));
        let (keyring, is_open) = (Arc::clone(&self.keyring), self.is_open);
        let examined = in_parallel(beside.collect(), move |(row, is_pruned, existing)| {
            examined(&planner, &keyring, is_open, row, is_pruned, existing)
        });
        Ok(examined.await?)
    }
}

fn examined(
    planner: &RowPlanner,
    keyring: &Keyring,
    is_open: bool,
    row: SourceRow,
    is_pruned: bool,
    existing: Option<ExistingRow>,
) -> Examined {
    let plan = planner.plan(&row, is_pruned);
    let opened = match &existing {
        Some(ExistingRow::Live(existing)) => existing.open(keyring),
        _ => None,
    };
    let outcome = match (&plan.disposition, &existing) {
        (None, None) => Outcome::Same,
        // A failback takes the tokens of sessions that have ended out of their rows.
        (None, Some(ExistingRow::Live(row))) if is_open && row.is_ended() => Outcome::Changed,
        (None, Some(_)) => Outcome::Differs("it has no tokens in the source"),
        (_, None) => Outcome::Differs("it is missing in the target"),
        (Some(Disposition::Live(live)), Some(ExistingRow::Live(existing))) => {
            live_outcome(live, existing, opened.as_ref(), is_open)
        }
        (Some(Disposition::Quarantine(of)), Some(ExistingRow::Quarantined(entry)))
            if entry.state == of.reason.state() =>
        {
            match is_quarantined_as(plan.id, &entry.sealed, &row, keyring) {
                true => Outcome::Same,
                false => Outcome::Differs("it was quarantined in another state"),
            }
        }
        _ => Outcome::Differs("it is in the wrong table, or quarantined for another reason"),
    };
    let state = RowState::of(plan.disposition.as_ref());
    Examined { id: plan.id, row, is_pruned, state, outcome, opened, existing }
}

fn live_outcome(
    live: &LiveRow,
    existing: &TargetRow,
    opened: Option<&TokenSet>,
    is_open: bool,
) -> Outcome {
    if !existing.is_of_user_and_provider(live) {
        return Outcome::Differs("its user or provider differs");
    }
    match opened {
        _ if existing.is_ended() => Outcome::Changed,
        None => Outcome::Differs("its tokens do not open"),
        Some(opened) if existing.is_for(live, opened) => Outcome::Same,
        Some(_) if is_open && existing.is_changed_by_others() => Outcome::Changed,
        Some(_) => Outcome::Differs("its tokens, times or digest differ"),
    }
}

//! What stands in the target beside a row of the source, and how it differs.

use std::sync::Arc;

use session_core::{Keyring, SessionId, TokenSet};

use super::pass::in_parts;
use crate::engine::Ground;
use crate::error::MigrateError;
use crate::source::SourceRow;
use crate::target::{Fate, Gate, LiveRow, Reason, Standing, TargetTable, is_set_aside, of_row};

/// A row of the source beside what stands for it.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) id: SessionId,
    pub(crate) row: SourceRow,
    pub(crate) is_pruned: bool,
    pub(crate) state: State,
    pub(crate) outcome: Outcome,
    /// The tokens that stand in the target.
    pub(crate) opened: Option<TokenSet>,
    pub(crate) standing: Option<Standing>,
}

/// What the source asks to become of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    Pruned,
    Unreadable,
    /// It has no tokens.
    Empty,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Pruned => "pruned",
            Self::Unreadable => "unreadable",
            Self::Empty => "without_tokens",
        }
    }
}

/// Whether the target has what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Same,
    /// It has changed since, as it may: renewed, rotated, ended.
    Changed,
    /// It differs, with a word for how.
    Differs(&'static str),
}

impl Outcome {
    /// How it differs, if it does.
    pub(crate) const fn difference(self) -> Option<&'static str> {
        match self {
            Self::Differs(how) => Some(how),
            Self::Same | Self::Changed => None,
        }
    }
}

/// Looks for what stands for rows of the source.
#[derive(Debug)]
pub(super) struct Examiner<'a> {
    pub(super) ground: &'a Ground,
    pub(super) target: TargetTable,
    pub(super) keyring: Arc<Keyring>,
    /// Whether the target is open, so that rows may have changed since.
    pub(super) is_open: bool,
}

impl Examiner<'_> {
    /// What stands for rows of a mapping, each with whether the cap prunes it.
    pub(super) async fn examine(
        &self,
        mapping: usize,
        rows: Vec<(SourceRow, bool)>,
    ) -> Result<Vec<Examined>, MigrateError> {
        let Some(gate) = self.ground.gate(mapping) else { return Ok(Vec::new()) };
        let ids = rows.iter().map(|(row, _)| of_row(&gate.mapping, &row.key));
        let ids: Vec<SessionId> = ids.collect();
        let mut standing = self.target.standings(&self.ground.target, &ids).await?;
        let beside = rows.into_iter().zip(ids).map(|((row, is_pruned), id)| {
            let there = standing.remove(&id);
            (row, is_pruned, there)
        });
        let (beside, keyring, is_open) =
            (beside.collect(), Arc::clone(&self.keyring), self.is_open);
        in_parts(beside, move |(row, is_pruned, there)| {
            Ok(examined(&gate, &keyring, is_open, (row, is_pruned, there)))
        })
        .await
    }
}

fn examined(
    gate: &Gate,
    keyring: &Keyring,
    is_open: bool,
    (row, is_pruned, standing): (SourceRow, bool, Option<Standing>),
) -> Examined {
    let arrival = gate.arrival(&row, is_pruned);
    let (state, id) = (state(&arrival.fate), arrival.id);
    let opened = match &standing {
        Some(Standing::Live(there)) => there.open(keyring),
        _ => None,
    };
    let outcome = match (&arrival.fate, &standing) {
        (Fate::Empty, None) => Outcome::Same,
        (Fate::Empty, Some(_)) => Outcome::Differs("it has no tokens in the source"),
        (_, None) => Outcome::Differs("it is missing in the target"),
        (Fate::Live(live), Some(Standing::Live(_))) => {
            live_outcome(live, standing.as_ref(), opened.as_ref(), is_open)
        }
        (Fate::Aside(reason), Some(Standing::Aside { state, sealed, .. }))
            if state == reason.state() =>
        {
            match is_set_aside(id, sealed, &row, keyring) {
                true => Outcome::Same,
                false => Outcome::Differs("another state of it was set aside"),
            }
        }
        _ => Outcome::Differs("it stands in another place"),
    };
    Examined { id, row, is_pruned, state, outcome, opened, standing }
}

fn live_outcome(
    live: &LiveRow,
    standing: Option<&Standing>,
    opened: Option<&TokenSet>,
    is_open: bool,
) -> Outcome {
    let Some(Standing::Live(there)) = standing else {
        return Outcome::Differs("it is missing in the target");
    };
    if !there.names(live) {
        return Outcome::Differs("its user or provider differs");
    }
    match opened {
        _ if there.is_ended => Outcome::Changed,
        None => Outcome::Differs("its tokens do not open"),
        Some(opened) if there.is_for(live, opened) => Outcome::Same,
        Some(_) if is_open && there.revision > 1 => Outcome::Changed,
        Some(_) => Outcome::Differs("its tokens, times or digest differ"),
    }
}

const fn state(fate: &Fate) -> State {
    match fate {
        Fate::Live(_) => State::Live,
        Fate::Empty => State::Empty,
        Fate::Aside(Reason::Pruned) => State::Pruned,
        Fate::Aside(_) => State::Unreadable,
    }
}

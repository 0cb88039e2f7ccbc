//! What is noted of a move.

use std::fmt;

use serde::{Deserialize, Serialize};
use session_core::{SessionId, Timestamp};

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Rows are moved in the order of the source's key.
    Fill,
    /// The rows of crowded pairs are ranked and moved.
    Rank,
    /// What was written meanwhile is applied, and both sides are compared.
    CatchUp,
    /// The source is barred, the last changes are applied, both sides are compared once more.
    Switch,
    /// The target is open: its tokens are renewed there from now on.
    Switched,
    /// It is being taken back.
    RollBack,
    /// It was taken back.
    RolledBack,
    /// The source is left behind for good.
    Finalized,
}

impl Phase {
    const ALL: [Self; 8] = [
        Self::Fill,
        Self::Rank,
        Self::CatchUp,
        Self::Switch,
        Self::Switched,
        Self::RollBack,
        Self::RolledBack,
        Self::Finalized,
    ];

    /// Its name, as it is stored and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Rank => "rank",
            Self::CatchUp => "catch_up",
            Self::Switch => "switch",
            Self::Switched => "switched",
            Self::RollBack => "roll_back",
            Self::RolledBack => "rolled_back",
            Self::Finalized => "finalized",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// Whether the target is not open yet.
    #[must_use]
    pub const fn is_before_switch(self) -> bool {
        matches!(self, Self::Fill | Self::Rank | Self::CatchUp | Self::Switch)
    }

    /// Whether all rows are where they belong.
    pub(crate) const fn is_done(self) -> bool {
        matches!(self, Self::Switched | Self::Finalized)
    }

    /// What session-core reads of it: whether rows may be renewed, and are found as legacy ones.
    pub(super) const fn state(self) -> &'static str {
        match self {
            Self::Switched => "open",
            Self::Finalized => "final",
            _ => "held",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much was done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counts {
    /// Rows that the plan or the first count found in the source.
    pub expected: u64,
    /// Rows of the source that were read.
    pub read: u64,
    /// Sessions that were written.
    pub moved: u64,
    /// Rows that the cap set aside.
    pub pruned: u64,
    /// Rows that were set aside because they do not open.
    pub unreadable: u64,
    /// Rows without tokens.
    pub empty: u64,
    /// Rows that were written again because they had changed meanwhile.
    pub repaired: u64,
}

/// A move, as it is noted in the target.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    /// Its id, derived from the mappings.
    pub(crate) id: SessionId,
    /// How far it is.
    pub(crate) phase: Phase,
    /// Whether it was asked to pause.
    pub(crate) is_paused: bool,
    /// Who is or was at work, for people.
    pub(crate) owner: Option<String>,
    /// The options it was begun with, as JSON.
    pub(crate) options: String,
    /// The digest of the plan that it carries out.
    pub(crate) plan_digest: Option<String>,
    /// How much was done.
    pub(crate) counts: Counts,
    /// When it was begun.
    pub(crate) started_at: Timestamp,
    /// When something was last noted.
    pub(crate) updated_at: Timestamp,
    /// When the target was opened.
    pub(crate) switched_at: Option<Timestamp>,
    /// When it was finalized.
    pub(crate) finished_at: Option<Timestamp>,
    /// For how long processes were at work on it, without pauses, in milliseconds.
    pub(crate) worked_ms: u64,
    pub(crate) sealed_place: Option<Vec<u8>>,
}

/// How far a pass through the source is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The number of the mapping.
    pub(crate) mapping: usize,
    /// The cursor behind the last row or pair of it.
    pub(crate) after: Option<String>,
}

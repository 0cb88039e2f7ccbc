//! The journal of a move: its phase, counts and checkpoint, kept in the target's database and written
//! in the transaction of the work that it records.

mod checkpoint;
mod failback;
mod key_proof;
mod lease;
mod sealed;
mod table;

use std::fmt;

use serde::{Deserialize, Serialize};
use session_core::{SessionId, Timestamp};

use crate::settings::Wait;

pub(crate) use checkpoint::Checkpoint;
pub use failback::FailbackCounts;
pub(crate) use key_proof::KeyProof;
pub(crate) use lease::RunnerConnections;
pub(crate) use sealed::{open as open_value, seal as seal_value};
pub(crate) use table::{FirstEntry, JournalTable, Note, exists, settings_in};

/// The phase of a move.
///
/// The journal and the JSON reports store the name that [`as_str`](Self::as_str) returns; `Display`
/// gives the words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Rows are ranked and moved.
    #[serde(rename = "fill")]
    Load,
    /// Changes that were made meanwhile are applied, and both sides are compared.
    CatchUp,
    /// Writes to the source are blocked, the last changes are applied, and both sides are compared
    /// once more.
    #[serde(rename = "switch")]
    Cutover,
    /// The target is open: its tokens are renewed there from now on.
    #[serde(rename = "switched")]
    Open,
    /// The move is being rolled back.
    RollBack,
    /// The move was rolled back.
    RolledBack,
    /// The move is finalized: the source is no longer used and cannot be restored.
    Finalized,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::Load,
        Self::CatchUp,
        Self::Cutover,
        Self::Open,
        Self::RollBack,
        Self::RolledBack,
        Self::Finalized,
    ];

    /// Returns the name that is stored in the journal and in JSON reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "fill",
            Self::CatchUp => "catch_up",
            Self::Cutover => "switch",
            Self::Open => "switched",
            Self::RollBack => "roll_back",
            Self::RolledBack => "rolled_back",
            Self::Finalized => "finalized",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }

    /// Returns whether the target is not open yet.
    #[must_use]
    pub const fn is_before_cutover(self) -> bool {
        matches!(self, Self::Load | Self::CatchUp | Self::Cutover)
    }

    /// Returns whether every row is in the target, and the target is open.
    pub(crate) const fn is_done(self) -> bool {
        matches!(self, Self::Open | Self::Finalized)
    }

    /// Returns the state that session-core reads: whether moved rows may be renewed, and whether they
    /// are found as migrated rows.
    const fn state(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Finalized => "final",
            _ => "held",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "load",
            Self::CatchUp => "catch up",
            Self::Cutover => "cutover",
            Self::Open => "open",
            Self::RollBack => "rolling back",
            Self::RolledBack => "rolled back",
            Self::Finalized => "finalized",
        })
    }
}

/// How many rows a move has processed so far; after the cutover, how many there were of each kind at
/// the cutover.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Counts {
    /// Rows that the source had when the move began.
    pub expected: u64,
    /// Rows of the source that were read.
    pub read: u64,
    /// Sessions that were written.
    pub moved: u64,
    /// Rows that were quarantined because they exceed the cap.
    pub pruned: u64,
    /// Rows that were quarantined because their tokens do not open.
    pub unreadable: u64,
    /// Rows without tokens.
    pub empty: u64,
    /// Rows that were written again because they changed meanwhile.
    pub repaired: u64,
}

/// The journal's row of one move.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    /// The move's id, derived from the source and the mappings.
    pub(crate) id: SessionId,
    pub(crate) phase: Phase,
    /// Whether the move was asked to pause.
    pub(crate) is_paused: bool,
    /// The process that works or last worked on the move, for people.
    pub(crate) owner: Option<String>,
    /// The manifest, as JSON.
    pub(crate) options: String,
    /// The digest of the plan that is carried out.
    pub(crate) plan_digest: Option<String>,
    pub(crate) counts: Counts,
    /// The digest of the result, once the target was opened.
    pub(crate) result_digest: Option<String>,
    pub(crate) started_at: Timestamp,
    /// The time of the last write to the journal.
    pub(crate) updated_at: Timestamp,
    /// The time at which the target was opened.
    pub(crate) switched_at: Option<Timestamp>,
    /// The time at which the move was finalized.
    pub(crate) finished_at: Option<Timestamp>,
    /// How long processes worked on the move, without pauses, in milliseconds.
    pub(crate) worked_ms: u64,
    pub(crate) sealed_checkpoint: Option<Vec<u8>>,
    /// The proof of keys.
    pub(crate) sealed_keys: Option<Vec<u8>>,
    /// Whether the cutover blocked writes to the source.
    pub(crate) is_blocked: bool,
    /// How far the failback has come, if there is one.
    pub(crate) failback: Option<FailbackCounts>,
    /// What the process that works on the move waits for.
    pub(crate) waiting: Option<Wait>,
    /// How long writes to the source were blocked before the target was open.
    pub(crate) blocked_ms: Option<u64>,
    /// The connections of the process that works or last worked on the move.
    pub(crate) connections: RunnerConnections,
}

//! What the calls of a move answer, in versioned forms.

use serde::Serialize;

use super::begun::Begun;
use crate::engine::Findings;
use crate::engine::Ground;
use crate::journal::{Counts, Journal, Phase};

/// What an apply did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ApplyReport {
    /// The version of this report's form: `session-migrate/apply/1`.
    pub schema: &'static str,
    /// The move's id, under which its rows are archived.
    pub run: String,
    /// How far the move is.
    pub phase: Phase,
    /// How much was done, over all processes.
    pub counts: Counts,
    /// For how long processes worked on it, in milliseconds.
    pub worked_ms: u64,
    /// The copy of the SQLite file that was made first.
    pub backup: Option<String>,
    /// The digest of the result, as `verify` gives it.
    pub result_digest: Option<String>,
    /// What is to be done next, and what to mind.
    pub notes: Vec<String>,
}

impl ApplyReport {
    pub(super) fn of(ground: &Ground, journal: &Journal, findings: Option<&Findings>) -> Self {
        Self {
            schema: "session-migrate/apply/1",
            run: ground.id.to_string(),
            phase: journal.phase,
            counts: journal.counts,
            worked_ms: journal.worked_ms,
            backup: Begun::of(journal).ok().and_then(|begun| begun.backup),
            result_digest: findings.map(Findings::result_digest),
            notes: vec![
                "the source refuses writes from now on; finalize takes the triggers away"
                    .to_owned(),
                "an instance that still writes to the source gets errors: stop it".to_owned(),
            ],
        }
    }
}

/// What a rollback did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RollbackReport {
    /// The version of this report's form: `session-migrate/rollback/1`.
    pub schema: &'static str,
    /// How far the move was.
    pub was: Option<Phase>,
    /// Rows that were taken out of the target.
    pub removed: u64,
    /// Rows of the source that got tokens back which were renewed in the target.
    pub written_back: u64,
    /// Sign-ins that are lost: their tokens were renewed or ended in the target, and the source
    /// has what is good no more.
    pub lost: Vec<LostSignIn>,
    /// Sessions that were begun in the target after the switch; they stay there.
    pub begun_since: u64,
}

/// A sign-in that a rollback loses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LostSignIn {
    /// The session's id in the target.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// The provider's name.
    pub provider: String,
    /// Why it is lost.
    pub why: &'static str,
}

/// What a finalize did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FinalizeReport {
    /// The version of this report's form: `session-migrate/finalize/1`.
    pub schema: &'static str,
    /// How far the move is: `finalized`.
    pub phase: Phase,
    /// Tables that nothing reads any more, and that can be dropped.
    pub left_behind: Vec<String>,
}

/// What a pause or its end did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PauseReport {
    /// The version of this report's form: `session-migrate/pause/1`.
    pub schema: &'static str,
    /// How far the move is.
    pub phase: Phase,
    /// Whether it is paused now.
    pub is_paused: bool,
    /// Whether there is something left to do.
    #[serde(skip)]
    pub is_unfinished: bool,
    /// What this process did itself, because no other one worked on the move.
    pub applied: Option<ApplyReport>,
}

/// What an unlock did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnlockReport {
    /// The version of this report's form: `session-migrate/unlock/1`.
    pub schema: &'static str,
    /// Who had the lock; none if nobody had.
    pub taken_from: Option<String>,
}

impl UnlockReport {
    pub(super) const fn new(taken_from: Option<String>) -> Self {
        Self { schema: "session-migrate/unlock/1", taken_from }
    }
}

/// How far the moves into a database are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusReport {
    /// The version of this report's form: `session-migrate/status/1`.
    pub schema: &'static str,
    /// Whether the database has the tables.
    pub has_tables: bool,
    /// Each move.
    pub moves: Vec<MoveStatus>,
}

/// How far a move is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MoveStatus {
    /// The move's id.
    pub run: String,
    /// How far it is.
    pub phase: Phase,
    /// Whether it was asked to pause.
    pub is_paused: bool,
    /// Who is or was at work.
    pub owner: Option<String>,
    /// The digest of its plan.
    pub plan: Option<String>,
    /// How much was done.
    pub counts: Counts,
    /// When it was begun, in milliseconds since 1970.
    pub started_at: i64,
    /// When something was last noted.
    pub updated_at: i64,
    /// When the target was opened.
    pub switched_at: Option<i64>,
    /// When it was finalized.
    pub finished_at: Option<i64>,
    /// For how long processes worked on it, in milliseconds, without pauses.
    pub worked_ms: u64,
    /// The command that is to be run next.
    pub next: &'static str,
}

impl MoveStatus {
    pub(super) fn of(journal: &Journal) -> Self {
        let next = match journal.phase {
            _ if journal.is_paused => "resume",
            phase if phase.is_before_switch() => "apply",
            Phase::Switched => "finalize, or rollback",
            Phase::RollBack => "rollback",
            _ => "nothing",
        };
        Self {
            run: journal.id.to_string(),
            phase: journal.phase,
            is_paused: journal.is_paused,
            owner: journal.owner.clone(),
            plan: journal.plan_digest.clone(),
            counts: journal.counts,
            started_at: journal.started_at.as_millis(),
            updated_at: journal.updated_at.as_millis(),
            switched_at: journal.switched_at.map(session_core::Timestamp::as_millis),
            finished_at: journal.finished_at.map(session_core::Timestamp::as_millis),
            worked_ms: journal.worked_ms,
            next,
        }
    }
}

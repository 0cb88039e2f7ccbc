//! The reports of a move's entry points; each has a versioned JSON form.

use serde::Serialize;
use session_core::Timestamp;

use super::manifest::MoveManifest;
use crate::engine::MoveContext;
use crate::journal::{Counts, FailbackCounts, Journal, Phase};
use crate::settings::{MoveSettings, Wait};

/// The report of [`Move::apply`](super::Move::apply).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ApplyReport {
    /// The version of this report's form: `session-migrate/apply/1`.
    pub schema: &'static str,
    /// The move's id.
    pub run: String,
    /// The move's phase.
    pub phase: Phase,
    /// How many rows were processed, by all processes together.
    pub counts: Counts,
    /// How long processes worked on the move, in milliseconds.
    pub worked_ms: u64,
    /// For how long writes to the source were blocked before the target was open, in milliseconds.
    pub blocked_ms: Option<u64>,
    /// The path of the backup that was made of the source's SQLite file.
    pub backup: Option<String>,
    /// The digest of the result, as in `verify`'s report.
    pub result_digest: Option<String>,
    /// What to do next, and what to know.
    pub notes: Vec<String>,
}

impl ApplyReport {
    pub(super) fn of(context: &MoveContext, journal: &Journal) -> Self {
        Self {
            schema: "session-migrate/apply/1",
            run: context.id.to_string(),
            phase: journal.phase,
            counts: journal.counts,
            worked_ms: journal.worked_ms,
            blocked_ms: journal.blocked_ms,
            backup: MoveManifest::of(journal).ok().and_then(|manifest| manifest.backup),
            result_digest: journal.result_digest.clone(),
            notes: notes(journal),
        }
    }
}

/// Returns what to know of the source while the target is open.
fn notes(journal: &Journal) -> Vec<String> {
    let notes: &[&str] = match (journal.phase, journal.is_blocked) {
        (Phase::Open, true) => &[
            "writes to the source are blocked; finalize drops the triggers that block them",
            "instances that still write to the source get errors: stop them",
        ],
        (Phase::Open, false) => &[
            "writes to the source are not blocked, because it takes no triggers: keep the instances \
             that write to it stopped",
        ],
        _ => &[],
    };
    notes.iter().map(|note| (*note).to_owned()).collect()
}

/// The report of [`Move::rollback`](super::Move::rollback).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RollbackReport {
    /// The version of this report's form: `session-migrate/rollback/1`.
    pub schema: &'static str,
    /// The phase that the move was in.
    pub was: Option<Phase>,
    /// Whether the move is rolled back. If not, some sign-ins could not be written back: nothing was
    /// removed, writes to the source are still blocked, and the rollback goes on with the next call.
    pub is_done: bool,
    /// Whether the target has the session tables without any row, and no move that made them: an apply
    /// that was killed before its first entry in the journal leaves them. `down` drops them.
    pub has_empty_tables: bool,
    /// Rows that were removed from the target.
    pub removed: u64,
    /// Rows of the source into which renewed tokens were written back.
    pub written_back: u64,
    /// Rows of the source that were changed after an earlier call had written them back; they stay.
    pub kept_newer: u64,
    /// Sign-ins that are lost: they were renewed or ended in the target, and what the source holds is
    /// no longer valid.
    pub lost: Vec<LostSignIn>,
    /// Sessions that began in the target after the cutover; they stay there.
    pub begun_since: u64,
    /// Sessions that began in the target and that a failback has made rows of the source: the source
    /// alone has them now.
    pub handed_over: u64,
    /// How many sessions a failback has made rows of the source, with those that ended since.
    pub added: u64,
    /// How many rows of the source a failback has removed, or taken the tokens out of, because their
    /// session had ended in the target.
    pub ended: u64,
    /// Changes that a failback could not bring into the source.
    pub not_added: Vec<LostSignIn>,
}

impl Default for RollbackReport {
    fn default() -> Self {
        Self {
            schema: "session-migrate/rollback/1",
            was: None,
            is_done: false,
            has_empty_tables: false,
            removed: 0,
            written_back: 0,
            kept_newer: 0,
            lost: Vec::new(),
            begun_since: 0,
            handed_over: 0,
            added: 0,
            ended: 0,
            not_added: Vec::new(),
        }
    }
}

/// The report of [`Move::failback`](super::Move::failback).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailbackReport {
    /// The version of this report's form: `session-migrate/failback/1`.
    pub schema: &'static str,
    /// The move's id.
    pub run: String,
    /// The move's phase at the end.
    pub phase: Phase,
    /// What was written into the source, by all processes together.
    pub counts: FailbackCounts,
    /// Whether the source had every change when this process ended.
    pub is_current: bool,
    /// The first of the changes that the source could not take, and why.
    pub skipped: Vec<LostSignIn>,
}

/// A sign-in that a rollback loses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LostSignIn {
    /// The session's id in the target.
    pub id: String,
    /// The application's id of the user.
    pub user: String,
    /// The provider's name.
    pub provider: String,
    /// Why the sign-in is lost.
    pub why: &'static str,
}

/// The report of [`Move::finalize`](super::Move::finalize).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FinalizeReport {
    /// The version of this report's form: `session-migrate/finalize/1`.
    pub schema: &'static str,
    /// The move's phase: `finalized`.
    pub phase: Phase,
    /// Tables of the source that nothing reads any more, so that they can be dropped.
    pub left_behind: Vec<String>,
}

/// The report of [`Move::pause`](super::Move::pause) and [`Move::resume`](super::Move::resume).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PauseReport {
    /// The version of this report's form: `session-migrate/pause/1`.
    pub schema: &'static str,
    /// The move's phase.
    pub phase: Phase,
    /// Whether the move is paused now.
    pub is_paused: bool,
    /// Whether no rows are moved any more, so that there is nothing to pause.
    pub is_over: bool,
    /// The report of the apply that this process resumed, because no other process was at work.
    pub applied: Option<ApplyReport>,
}

/// The report of [`Move::unlock`](super::Move::unlock).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnlockReport {
    /// The version of this report's form: `session-migrate/unlock/1`.
    pub schema: &'static str,
    /// The former holder of the lock; `None` if the lock was free.
    pub taken_from: Option<String>,
    /// How many of its connections were ended.
    pub ended_connections: usize,
}

impl Default for UnlockReport {
    fn default() -> Self {
        Self { schema: "session-migrate/unlock/1", taken_from: None, ended_connections: 0 }
    }
}

/// The status of all moves into a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusReport {
    /// The version of this report's form: `session-migrate/status/1`.
    pub schema: &'static str,
    /// Whether the database has the session tables.
    pub has_tables: bool,
    /// The moves, the oldest first.
    pub moves: Vec<MoveStatus>,
}

/// The status of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MoveStatus {
    /// The move's id.
    pub run: String,
    /// Which database the source is; `--name` takes it.
    pub source: Option<String>,
    /// The move's phase.
    pub phase: Phase,
    /// Whether the move was asked to pause.
    pub is_paused: bool,
    /// The process that works or last worked on the move.
    pub owner: Option<String>,
    /// The digest of the plan that is carried out.
    pub plan: Option<String>,
    /// How many rows were processed.
    pub counts: Counts,
    /// When the move began, in milliseconds since the Unix epoch.
    pub started_at: i64,
    /// When the journal was last written, in milliseconds since the Unix epoch.
    pub updated_at: i64,
    /// When the target was opened, in milliseconds since the Unix epoch.
    pub switched_at: Option<i64>,
    /// When the move was finalized, in milliseconds since the Unix epoch.
    pub finished_at: Option<i64>,
    /// How long processes worked on the move, without pauses, in milliseconds.
    pub worked_ms: u64,
    /// How long ago the journal was last written, in milliseconds.
    pub idle_ms: u64,
    /// The pace of the move, which `resume --set` changes.
    pub settings: MoveSettings,
    /// What the process that works on the move waits for.
    pub waits_for: Option<Wait>,
    /// How far the failback has come, if there is one.
    pub failback: Option<FailbackCounts>,
    /// What the source shows of the move, if the source was given.
    pub in_source: Option<SourceStatus>,
    /// The command to run next.
    pub next: &'static str,
}

/// What a move has in its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SourceStatus {
    /// The tables that refuse writes.
    pub blocked: Vec<String>,
    /// How many changes the log holds that are not applied yet.
    pub log_entries: u64,
}

impl MoveStatus {
    pub(super) fn of(journal: &Journal, now: Timestamp) -> Self {
        let next = match journal.phase {
            phase if phase.is_before_cutover() && journal.is_paused => "resume",
            phase if phase.is_before_cutover() => "apply, or abort",
            Phase::Open => "finalize, or rollback",
            Phase::RollBack => "rollback",
            _ => "nothing",
        };
        Self {
            run: journal.id.to_string(),
            source: MoveManifest::of(journal).ok().map(|of| of.source.to_string()),
            phase: journal.phase,
            is_paused: journal.is_paused,
            owner: journal.owner.clone(),
            plan: journal.plan_digest.clone(),
            counts: journal.counts,
            started_at: journal.started_at.as_millis(),
            updated_at: journal.updated_at.as_millis(),
            switched_at: journal.switched_at.map(Timestamp::as_millis),
            finished_at: journal.finished_at.map(Timestamp::as_millis),
            worked_ms: journal.worked_ms,
            idle_ms: u64::try_from(now.since(journal.updated_at).as_millis()).unwrap_or(0),
            settings: MoveManifest::of(journal).map(|of| of.settings).unwrap_or_default(),
            waits_for: journal.waiting.filter(|_| journal.phase.is_before_cutover()),
            failback: journal.failback,
            in_source: None,
            next,
        }
    }
}

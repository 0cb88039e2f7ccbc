//! One process's work on a move: its checkpoint and counts, and the pauses between batches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::sea_orm::DatabaseTransaction;
use session_core::{Keyring, Timestamp};

use super::batch::Stopwatch;
use super::context::MoveContext;
use super::findings::Findings;
use super::throttle::Throttle;
use crate::error::MigrateError;
use crate::journal::{Checkpoint, Counts, Journal, Note, Phase, settings_in};
use crate::progress::Progress;
use crate::settings::Wait;
use crate::sql::begin;
use crate::target::{Disposition, QuarantineReason, SealedRow, TargetTable};

/// How often a transaction that others were in the way of is repeated, and the pause before the
/// first repetition; each pause is twice the one before.
const MAX_RETRIES: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How often a paused move checks whether it may go on.
const PAUSE_CHECK: Duration = Duration::from_millis(250);

/// How often what holds a move up is measured again.
const THROTTLE_CHECK: Duration = Duration::from_millis(500);

/// An online move rests after a batch for this fraction of the batch's time: a fifth.
const REST: u32 = 5;

/// A move that this process carries out.
#[derive(Debug)]
pub(crate) struct Worker<'a> {
    pub(crate) context: &'a MoveContext,
    pub(crate) target: TargetTable,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) phase: Phase,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) counts: Counts,
    /// How many rows the target holds since the last comparison counted them.
    pub(crate) held: u64,
    /// The users and providers that a row has left in the target, so that the cap may keep another
    /// one of theirs: they are ranked again when the change log is applied.
    pub(crate) left: BTreeSet<(String, String)>,
    /// The digest of the result, once both sides agree after the last write to the source.
    result_digest: Option<String>,
    /// Why writes to the source are not blocked, if they could not be.
    pub(crate) block_failure: Option<String>,
    worked: Duration,
    watch: Stopwatch,
    throttle: Throttle,
    waiting: Option<Wait>,
    /// As it was last read: it holds the settings.
    manifest: String,
    /// When the cutover began, on the monotonic clock.
    cutover_since: Option<Duration>,
}

impl<'a> Worker<'a> {
    /// Creates a worker that goes on from the journal's checkpoint.
    pub(crate) fn resume(
        context: &'a MoveContext,
        journal: &Journal,
    ) -> Result<Self, MigrateError> {
        let keyring = Arc::clone(context.keyring()?);
        Ok(Self {
            target: context.target_table()?,
            phase: journal.phase,
            checkpoint: context.journal.checkpoint(journal, &keyring)?,
            counts: journal.counts,
            held: 0,
            left: BTreeSet::new(),
            result_digest: None,
            block_failure: None,
            worked: Duration::ZERO,
            watch: Stopwatch::start(context.clock()),
            throttle: Throttle::default(),
            waiting: None,
            manifest: journal.options.clone(),
            cutover_since: None,
            keyring,
            context,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.context.clock().now()
    }

    /// Records phase, checkpoint and counts in the transaction of the work that led to them.
    pub(crate) async fn note(
        &mut self,
        transaction: &DatabaseTransaction,
    ) -> Result<(), MigrateError> {
        let lap = self.watch.lap(self.context.clock());
        self.worked += lap;
        let note = Note {
            phase: self.phase,
            checkpoint: &self.checkpoint,
            counts: &self.counts,
            result_digest: self.result_digest.as_deref(),
            now: self.now(),
            worked_ms: u64::try_from(lap.as_millis()).unwrap_or(0),
            is_blocked: self.phase == Phase::Open && self.block_failure.is_none(),
            waiting: self.waiting,
            blocked_ms: self.blocked_for().and_then(|span| u64::try_from(span.as_millis()).ok()),
        };
        self.context.journal.note(transaction, &self.keyring, &note).await
    }

    /// Records phase, checkpoint and counts in a transaction of their own.
    pub(crate) async fn note_alone(&mut self) -> Result<(), MigrateError> {
        let transaction = begin(&self.context.target).await?;
        self.note(&transaction).await?;
        transaction.commit().await?;
        self.send_progress(false);
        Ok(())
    }

    /// Counts what the target holds at the end: rows that were moved may be gone since.
    pub(crate) fn settle(&mut self, findings: &Findings) {
        self.counts.moved = findings.found_live;
        self.counts.pruned = findings.pruned;
        self.counts.unreadable = findings.unreadable;
        self.counts.empty = findings.empty;
        self.result_digest = Some(findings.result_digest());
    }

    /// Enters a phase, at the beginning of the source.
    pub(crate) async fn enter(&mut self, phase: Phase) -> Result<(), MigrateError> {
        if phase == Phase::Cutover {
            self.cutover_since = Some(self.context.clock().monotonic());
        }
        (self.phase, self.checkpoint) = (phase, Checkpoint::default());
        self.note_alone().await
    }

    /// Runs between two batches: sends progress, stops if the caller asked for it, lets an online move
    /// rest, and waits while the move is paused or throttled.
    pub(crate) async fn between_batches(&mut self, took: Duration) -> Result<(), MigrateError> {
        self.send_progress(false);
        self.context.check_cancelled()?;
        if self.phase == Phase::Cutover {
            // Writes to the source are blocked, so the work goes on without a rest.
            return Ok(());
        }
        if self.context.options.is_online {
            self.context.clock().sleep(took / REST).await;
        }
        self.wait_while_paused().await?;
        if let Some(wait) = self.throttle.check(self.context).await? {
            self.wait_until_passed(wait).await?;
        }
        Ok(())
    }

    async fn wait_while_paused(&mut self) -> Result<(), MigrateError> {
        while self.is_paused().await? {
            self.send_progress(true);
            self.rest(PAUSE_CHECK).await?;
        }
        Ok(())
    }

    async fn wait_until_passed(&mut self, first: Wait) -> Result<(), MigrateError> {
        let mut wait = Some(first);
        while let Some(reason) = wait {
            self.waits_for(Some(reason)).await?;
            self.rest(THROTTLE_CHECK).await?;
            self.wait_while_paused().await?;
            wait = self.throttle.check(self.context).await?;
        }
        self.waits_for(None).await
    }

    /// Waits for a moment, which does not count as work, for this reason.
    pub(crate) async fn wait(&mut self, reason: Wait) -> Result<(), MigrateError> {
        self.waits_for(Some(reason)).await?;
        self.rest(THROTTLE_CHECK).await?;
        self.wait_while_paused().await
    }

    /// Returns whether the move is paused, or its cutover postponed.
    pub(crate) async fn must_wait(&mut self) -> Result<bool, MigrateError> {
        Ok(self.is_paused().await? || self.context.settings().postpones_cutover())
    }

    /// Notes what the move waits for, so that `status` and the progress show it.
    pub(crate) async fn waits_for(&mut self, wait: Option<Wait>) -> Result<(), MigrateError> {
        if self.waiting == wait {
            return Ok(());
        }
        self.waiting = wait;
        self.note_alone().await
    }

    async fn rest(&mut self, span: Duration) -> Result<(), MigrateError> {
        self.context.clock().sleep(span).await;
        self.context.check_cancelled()?;
        self.watch.lap(self.context.clock());
        Ok(())
    }

    /// Returns how long the cutover has taken so far; writes to the source are blocked meanwhile.
    fn blocked_for(&self) -> Option<Duration> {
        let since = self.cutover_since?;
        let is_its = matches!(self.phase, Phase::Cutover | Phase::Open);
        is_its.then(|| self.context.clock().monotonic().saturating_sub(since))
    }

    /// Returns whether the move was asked to pause, and takes over settings that a resume has changed.
    async fn is_paused(&mut self) -> Result<bool, MigrateError> {
        let (is_paused, manifest) = self.context.journal.requests(&self.context.target).await?;
        if self.manifest != manifest {
            self.context.change_settings(&settings_in(&self.manifest), &settings_in(&manifest));
            self.manifest = manifest;
        }
        Ok(is_paused)
    }

    fn send_progress(&self, is_paused: bool) {
        let (phase, counts, worked) = (self.phase, self.counts, self.worked);
        let (waits_for, blocked_for) = (self.waiting, self.blocked_for());
        self.context.progress.update(|progress| {
            let activity = None;
            *progress = Progress {
                phase,
                activity,
                counts,
                worked,
                is_paused,
                waits_for,
                blocked_for,
                ..*progress
            };
        });
    }

    /// Counts rows that are inserted.
    pub(crate) fn count<'r>(&mut self, rows: impl Iterator<Item = &'r SealedRow>) {
        for row in rows {
            match &row.disposition {
                Disposition::Live(_) => self.counts.moved += 1,
                Disposition::Quarantine(of) => match of.reason {
                    QuarantineReason::Pruned => self.counts.pruned += 1,
                    QuarantineReason::Unreadable(_) => self.counts.unreadable += 1,
                },
            }
        }
    }

    /// Returns the state to go back to when a transaction has to be repeated.
    pub(crate) fn retry_point(&self) -> RetryPoint {
        RetryPoint { checkpoint: self.checkpoint.clone(), counts: self.counts, tries: 0 }
    }

    /// Goes back to the retry point, after a transaction that failed.
    pub(crate) fn go_back(&mut self, point: &RetryPoint) {
        (self.checkpoint, self.counts) = (point.checkpoint.clone(), point.counts);
    }

    /// Prepares the repetition of a failed transaction: goes back to the retry point, and waits.
    ///
    /// # Errors
    ///
    /// Returns the failure if a repetition cannot help, or if there were too many.
    pub(crate) async fn prepare_retry(
        &mut self,
        point: &mut RetryPoint,
        failure: MigrateError,
    ) -> Result<(), MigrateError> {
        if point.tries == MAX_RETRIES || !failure.is_contended() {
            return Err(failure);
        }
        self.context.clock().sleep(FIRST_PAUSE * 2_u32.pow(point.tries)).await;
        point.tries += 1;
        self.go_back(point);
        Ok(())
    }
}

/// The state of a [`Worker`] before a transaction.
#[derive(Debug)]
pub(crate) struct RetryPoint {
    checkpoint: Checkpoint,
    counts: Counts,
    tries: u32,
}

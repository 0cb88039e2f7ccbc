//! The public entry points of a move: plan, apply, verify, and the others.

mod apply;
mod begin;
mod control;
mod disk;
mod failback;
mod gone;
mod manifest;
mod outlook;
mod plan;
mod preflight;
mod proof;
mod remove;
mod report;
mod rights;
mod rollback;
mod unblock;
mod unlock;
mod verify;
mod write_back;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use begin::Approval;
pub use failback::FailbackMode;
pub use outlook::MoveOutlook;
pub use plan::{Estimate, Plan, PlannedMapping, PrunedRow};
pub use report::{
    ApplyReport, FailbackReport, FinalizeReport, LostSignIn, MoveStatus, PauseReport,
    RollbackReport, SourceStatus, StatusReport, UnlockReport,
};
pub use unblock::{LiftedBlock, UnblockReport, unblock, unblockable};
pub use verify::{Difference, RowReport, VerifyReport};

use manifest::MoveManifest;

use crate::engine::{self, MoveContext};
use crate::error::MigrateError;
use crate::options::{MoveOptions, Renewed};
use crate::progress::{Progress, ProgressSender};
use crate::sql::connect_read_only;

/// A move of an existing table into the many-session layout.
///
/// Every call opens its own connections and closes them. A future may be dropped at any await, and a
/// process killed: work is recorded in the transaction in which it is done, and the next call goes on
/// from there.
///
/// ```no_run
/// use session_core::Keyring;
/// use session_migrate::cap::Cap;
/// use session_migrate::source::{Codecs, Preset, SourceKeys};
/// use session_migrate::{Approval, Layout, Move, MoveOptions};
///
/// # async fn run(keyring: Keyring) -> Result<(), Box<dyn std::error::Error>> {
/// let preset: Preset = "openwebui".parse()?;
/// let options = MoveOptions::new("sqlite://webui.db", Layout::Preset(preset))
///     .codecs(Codecs::new(SourceKeys::new("the WEBUI_SECRET_KEY")))
///     .keyring(keyring)
///     .cap(Cap::max_sessions(10.try_into()?));
/// let moving = Move::new(options);
/// let plan = moving.plan().await?;
/// moving.apply(Approval::Plan(plan.digest.clone())).await?;
/// assert_eq!(moving.verify(|_| ()).await?.mismatches, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Move {
    options: MoveOptions,
    progress: ProgressSender,
    cancel: CancellationToken,
}

impl Move {
    /// Creates a move with these options. Opens nothing yet.
    #[must_use]
    pub fn new(options: MoveOptions) -> Self {
        Self { options, progress: ProgressSender::new(), cancel: CancellationToken::new() }
    }

    /// Returns a receiver of the newest progress.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Returns a token that stops the work after the current batch when it is cancelled.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Returns what an apply would do. Writes nothing.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`] if the source or the target cannot be read, or if the mapping does
    /// not match the source.
    pub async fn plan(&self) -> Result<Plan, MigrateError> {
        let context = self.open(true).await?;
        let plan = plan::plan(&context).await;
        context.close().await;
        plan
    }

    /// Returns the statements that an apply runs, in the SQL of these databases. Writes nothing.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`plan`](Self::plan), and an error if an online move cannot capture the
    /// changes of a table.
    pub async fn statements(&self) -> Result<Vec<String>, MigrateError> {
        let context = self.open(true).await?;
        let statements = plan::statements(&context);
        context.close().await;
        statements
    }

    /// Moves the rows and opens the target. A move that was interrupted goes on from its checkpoint.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`] if a step fails. What was done so far is kept, and the next call
    /// goes on from there. Of the kind `AlreadyMoved` if the move is finalized, or if another move of
    /// the source has one of its mappings.
    pub async fn apply(&self, approval: Approval) -> Result<ApplyReport, MigrateError> {
        let context = self.open(false).await?;
        // Boxed, because the future is large.
        let report = Box::pin(apply::apply(&context, &approval)).await;
        context.close().await;
        report
    }

    /// Compares both sides row by row, and passes each row to `each`. Writes nothing.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`] if either side cannot be read; of the kind `NoMove` if nothing was
    /// moved.
    pub async fn verify(&self, each: impl FnMut(RowReport)) -> Result<VerifyReport, MigrateError> {
        let context = self.open_begun(true).await?;
        let report = verify::verify(&context, each).await;
        context.close().await;
        report
    }

    /// Rolls the move back. Before the cutover the source has nothing but triggers to remove; after
    /// it, `renewed` decides about tokens that were renewed in the target.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`]: of the kind `Phase` if the move was finalized, of the kind `NoMove`
    /// if there is none.
    pub async fn rollback(&self, renewed: Renewed) -> Result<RollbackReport, MigrateError> {
        let context = self.open_begun(false).await?;
        let report = Box::pin(rollback::rollback(&context, renewed)).await;
        context.close().await;
        report
    }

    /// Brings what changes in the target after the cutover into the source, in the source's codec:
    /// renewals, sessions that begin, and ends. What the source cannot take is listed. A rollback then
    /// loses nothing that the source has.
    ///
    /// Other calls on the move are possible meanwhile; a rollback or a finalize ends this one.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`]: of the kind `Phase` if the target is not open, if its comparison with
    /// the source was not completed, or if writes to the source are not blocked; of the kind `Lost` if
    /// another process has taken the move over.
    pub async fn failback(&self, mode: FailbackMode) -> Result<FailbackReport, MigrateError> {
        let context = self.open_begun(false).await?;
        let report = Box::pin(failback::failback(&context, mode)).await;
        context.close().await;
        report
    }

    /// Finalizes the move: drops triggers and logs, and ends the look-up of migrated rows. This cannot
    /// be undone. It works after the mapped tables were dropped, too.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`]: of the kind `Phase` before the cutover, if the comparison after it was
    /// not completed, or if writes to the source are not blocked any more.
    pub async fn finalize(&self) -> Result<FinalizeReport, MigrateError> {
        let context = self.open_begun_or_gone(false).await?;
        let report = control::finalize(&context).await;
        context.close().await;
        report
    }

    /// Asks the process that works on the move to pause after the current batch.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`]: of the kind `NoMove` if there is no move.
    pub async fn pause(&self) -> Result<PauseReport, MigrateError> {
        let context = self.open_begun(false).await?;
        let report = control::set_paused(&context, true).await;
        context.close().await;
        report
    }

    /// Ends a pause. If no process works on the move any more, this call carries it on.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`apply`](Self::apply); one of the kind `Busy` while a process works on
    /// another move into the target.
    pub async fn resume(&self) -> Result<PauseReport, MigrateError> {
        self.resume_with(&[]).await
    }

    /// Ends a pause after it has changed settings, each given by the name of its option and its new
    /// value; an empty value unsets it. A process that works on the move goes on with them after its
    /// batch.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`resume`](Self::resume), and one of the kind `Usage` for a setting
    /// that cannot be changed.
    pub async fn resume_with(
        &self,
        changes: &[(String, String)],
    ) -> Result<PauseReport, MigrateError> {
        let context = self.open_begun(false).await?;
        let report = Box::pin(self.resume_in(&context, changes)).await;
        context.close().await;
        report
    }

    async fn resume_in(
        &self,
        context: &MoveContext,
        changes: &[(String, String)],
    ) -> Result<PauseReport, MigrateError> {
        let journal = manifest::journal(context).await?;
        let is_unfinished = journal.phase.is_before_cutover();
        let is_ours = is_unfinished && !control::is_at_work(context, &journal).await?;
        if !changes.is_empty() {
            control::change_settings(context, changes).await?;
        }
        if is_ours {
            proof::prove_keys(context, &journal).await?;
        }
        let mut report = control::set_paused(context, false).await?;
        if is_ours {
            report.applied = Some(Box::pin(apply::apply(context, &Approval::Resume)).await?);
        }
        Ok(report)
    }

    /// Breaks the lock of a process that no longer works: ends all connections that it is known to
    /// have, so that its transactions end too.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`]: of the kind `Busy` for a SQLite file, whose lock ends with its
    /// process.
    pub async fn unlock(&self) -> Result<UnlockReport, MigrateError> {
        let target = engine::open_target(&self.options, false).await?;
        let report = unlock::unlock(&self.options, &target).await;
        let _ = target.close().await;
        report
    }

    /// Returns the status of all moves into the target. Needs no right but to read, and no keys.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`] if the target cannot be read.
    pub async fn status(&self) -> Result<StatusReport, MigrateError> {
        status(Some(&self.options.from), self.target()).await
    }

    /// Returns what rolling back, aborting or finalizing the move would touch. Writes nothing, and needs
    /// no keys.
    ///
    /// # Errors
    ///
    /// Returns a [`MigrateError`] if a database cannot be read; of the kind `NoMove` if there is none.
    pub async fn outlook(&self) -> Result<MoveOutlook, MigrateError> {
        let context = self.open_begun_or_gone(true).await?;
        let outlook = outlook::outlook(&context).await;
        context.close().await;
        outlook
    }

    /// Takes the move back to the start, from any state before it is finalized: also from half of a
    /// rollback, and where none was begun. After the cutover this is a rollback.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`rollback`](Self::rollback), but none if there is no move: of the kind
    /// `NoMove` only if another name or target may lead to the move that is meant, because the target has
    /// moves or the source shows one.
    pub async fn abort(&self, renewed: Renewed) -> Result<RollbackReport, MigrateError> {
        let context = self.open_begun(false).await?;
        let report = Box::pin(rollback::abort(&context, renewed)).await;
        context.close().await;
        report
    }

    fn target(&self) -> &str {
        self.options.target()
    }

    /// Opens a move with the cap and the mode that it was begun with.
    async fn open_begun(&self, is_reading: bool) -> Result<MoveContext, MigrateError> {
        let mut context = self.open(is_reading).await?;
        if let Some(journal) = context.journal.load(&context.target).await? {
            let manifest = MoveManifest::of(&journal)?;
            context.adopt(&manifest.spec)?;
        }
        Ok(context)
    }

    /// Opens a move that was begun, also one whose mapped tables were dropped since the cutover.
    async fn open_begun_or_gone(&self, is_reading: bool) -> Result<MoveContext, MigrateError> {
        match self.open_begun(is_reading).await {
            Ok(context) => Ok(context),
            Err(error) => match gone::open_gone(&self.options, is_reading).await {
                Ok(Some(context)) => Ok(context),
                _ => Err(error),
            },
        }
    }

    async fn open(&self, is_reading: bool) -> Result<MoveContext, MigrateError> {
        let mut context = Box::pin(engine::open(self.options.clone(), is_reading)).await?;
        context.progress = self.progress.clone();
        context.cancel = self.cancel.clone();
        Ok(context)
    }
}

/// Returns the status of all moves into the database at the address `to` and, if the address of their
/// source is given, what it shows of them. Needs no right but to read.
///
/// # Errors
///
/// Returns a [`MigrateError`] if the target cannot be read.
pub async fn status(from: Option<&str>, to: &str) -> Result<StatusReport, MigrateError> {
    // A source that is gone does not hide what the target knows.
    let source = match from {
        Some(from) => connect_read_only(from).await.ok(),
        None => None,
    };
    let target = connect_read_only(crate::sql::pool::or_empty(to)).await?;
    let report = control::status(&target, source.as_ref()).await;
    let _ = target.close().await;
    if let Some(source) = source {
        let _ = source.close().await;
    }
    report
}

#[cfg(test)]
mod tests {
    use super::{Approval, Move};
    use crate::{Layout, MoveOptions, Renewed};

    /// An application may spawn these futures.
    #[test]
    fn futures_can_be_spawned() {
        const fn is_send<T: Send>(_: &T) {}

        let preset = "openwebui".parse().unwrap();
        let moving = Move::new(MoveOptions::new("sqlite::memory:", Layout::Preset(preset)));
        is_send(&moving.plan());
        is_send(&moving.apply(Approval::Unreviewed));
        is_send(&moving.verify(|_| ()));
        is_send(&moving.rollback(Renewed::WriteBack));
        is_send(&moving.failback(super::FailbackMode::Once));
        is_send(&moving.finalize());
        is_send(&moving.resume());
        is_send(&moving.status());
    }
}

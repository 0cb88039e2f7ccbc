//! The doors of a move: plan, apply, verify, and what goes with them.

mod apply;
mod backup;
mod begun;
mod locked;
mod report;
mod rollback;
mod standing;

use sea_orm_migration::sea_orm::DatabaseConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use apply::Approval;
use begun::Begun;
pub use report::{
    ApplyReport, FinalizeReport, LostSignIn, MoveStatus, PauseReport, RollbackReport, StatusReport,
    UnlockReport,
};
pub use rollback::Renewed;

use crate::engine::{self, Ground};
use crate::error::MigrateError;
use crate::lock::Lock;
use crate::options::MoveOptions;
use crate::plan::{self, Plan};
use crate::progress::{Progress, Teller};
use crate::verify::{self, RowReport, VerifyReport};

/// One move of a source into the many-session layout.
///
/// Every call opens its own connections and closes them. Futures may be dropped at any await, and
/// processes killed: what was done is noted in the transaction in which it was done, and the next
/// call goes on from there.
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
    teller: Teller,
    cancel: CancellationToken,
}

impl Move {
    /// A move with these options; nothing is opened yet.
    #[must_use]
    pub fn new(options: MoveOptions) -> Self {
        Self { options, teller: Teller::new(), cancel: CancellationToken::new() }
    }

    /// The newest progress, whenever there is some.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.teller.listen()
    }

    /// A token that stops the work after the batch that is under way.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// What an apply would do. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] if the source or the target cannot be read, or the mapping does not fit.
    pub async fn plan(&self) -> Result<Plan, MigrateError> {
        let ground = self.open(true).await?;
        let plan = plan::plan(&ground).await;
        ground.close().await;
        plan
    }

    /// The statements that an apply runs, in the words of these databases. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`MigrateError`], as at [`plan`](Self::plan).
    pub async fn statements(&self) -> Result<Vec<String>, MigrateError> {
        let ground = self.open(true).await?;
        let statements = plan::statements(&ground);
        ground.close().await;
        statements
    }

    /// Moves the rows and opens the target; goes on where an earlier process was stopped.
    ///
    /// # Errors
    ///
    /// [`MigrateError`]; what was done so far is kept, and the next call goes on.
    pub async fn apply(&self, approval: Approval) -> Result<ApplyReport, MigrateError> {
        let ground = self.open(false).await?;
        // Its future is large, and its callers' need not be.
        let report = Box::pin(apply::apply(&ground, &approval)).await;
        ground.close().await;
        report
    }

    /// Compares both sides row by row; each row is given to `each`. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] if either side cannot be read, or nothing was moved.
    pub async fn verify(&self, each: impl FnMut(RowReport)) -> Result<VerifyReport, MigrateError> {
        let ground = self.open_begun(true).await?;
        let report = verify::verify(&ground, each).await;
        ground.close().await;
        report
    }

    /// Takes the move back. Before the switch nothing of the source was changed but triggers,
    /// which go; after it `renewed` says what becomes of tokens that were renewed in the target.
    ///
    /// # Errors
    ///
    /// [`MigrateError`], of the kind `Phase` after a finalize.
    pub async fn rollback(&self, renewed: Renewed) -> Result<RollbackReport, MigrateError> {
        let ground = self.open_begun(false).await?;
        let report = rollback::rollback(&ground, renewed).await;
        ground.close().await;
        report
    }

    /// Leaves the source behind: triggers and log go, and legacy rows are found no more. It cannot
    /// be taken back.
    ///
    /// # Errors
    ///
    /// [`MigrateError`], of the kind `Phase` before the switch or while old writers are seen.
    pub async fn finalize(&self) -> Result<FinalizeReport, MigrateError> {
        let ground = self.open_begun(false).await?;
        let report = standing::finalize(&ground).await;
        ground.close().await;
        report
    }

    /// Asks whoever works on the move to pause after the batch that is under way.
    ///
    /// # Errors
    ///
    /// [`MigrateError`], of the kind `NoMove` if there is none.
    pub async fn pause(&self) -> Result<PauseReport, MigrateError> {
        let ground = self.open_begun(false).await?;
        let report = standing::pause(&ground, true).await;
        ground.close().await;
        report
    }

    /// Ends a pause. Where no process works on the move any more, this one does.
    ///
    /// # Errors
    ///
    /// [`MigrateError`], as at [`apply`](Self::apply).
    pub async fn resume(&self) -> Result<PauseReport, MigrateError> {
        let ground = self.open_begun(false).await?;
        let report = standing::pause(&ground, false).await;
        let is_worked_on = match &report {
            Ok(report) if report.is_unfinished => Lock::holder(self.target(), &ground.target).await,
            _ => Ok(Some(String::new())),
        };
        let report = match (report, is_worked_on) {
            (Ok(mut report), Ok(None)) => {
                let applied = Box::pin(apply::apply(&ground, &Approval::Resume)).await?;
                report.applied = Some(applied);
                Ok(report)
            }
            (report, Ok(Some(_))) => report,
            (_, Err(error)) | (Err(error), _) => Err(error),
        };
        ground.close().await;
        report
    }

    /// Takes the lock away from a process that has it and does nothing any more.
    ///
    /// # Errors
    ///
    /// [`MigrateError`]; of the kind `Busy` for a SQLite file, whose lock dies with its process.
    pub async fn unlock(&self) -> Result<UnlockReport, MigrateError> {
        let target = engine::open_target(&self.options, false).await?;
        let broken = Lock::break_open(self.target(), &target).await;
        let _ = target.close().await;
        Ok(UnlockReport::new(broken?))
    }

    /// How far the moves of the target are. Needs no right but to read, and no keys.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] if the target cannot be read.
    pub async fn status(&self) -> Result<StatusReport, MigrateError> {
        status(self.target()).await
    }

    fn target(&self) -> &str {
        self.options.target()
    }

    /// Opens a move that was begun, with the cap and the mode that it was begun with.
    async fn open_begun(&self, is_reading: bool) -> Result<Ground, MigrateError> {
        let mut ground = self.open(is_reading).await?;
        if let Some(journal) = ground.journal.load(&ground.target).await? {
            let begun = Begun::of(&journal)?;
            ground.adopt(|options| options.adopt(&begun.words))?;
        }
        Ok(ground)
    }

    async fn open(&self, is_reading: bool) -> Result<Ground, MigrateError> {
        let mut ground = Box::pin(engine::open(self.options.clone(), is_reading)).await?;
        ground.teller = self.teller.clone();
        ground.cancel = self.cancel.clone();
        Ok(ground)
    }
}

/// How far the moves into the database at this address are. Needs no right but to read.
///
/// # Errors
///
/// [`MigrateError`] if it cannot be read.
pub async fn status(to: &str) -> Result<StatusReport, MigrateError> {
    let to = crate::sql::pool::or_empty(to);
    let target: DatabaseConnection = crate::sql::connect_read_only(to).await?;
    let report = standing::status(&target).await;
    let _ = target.close().await;
    report
}

#[cfg(test)]
mod tests {
    use super::{Approval, Move, Renewed};
    use crate::{Layout, MoveOptions};

    /// An application spawns these.
    #[test]
    fn the_calls_can_be_spawned() {
        const fn is_send<T: Send>(_: &T) {}

        let preset = "openwebui".parse().unwrap();
        let moving = Move::new(MoveOptions::new("sqlite::memory:", Layout::Preset(preset)));
        is_send(&moving.plan());
        is_send(&moving.apply(Approval::Unseen));
        is_send(&moving.verify(|_| ()));
        is_send(&moving.rollback(Renewed::WriteBack));
        is_send(&moving.finalize());
        is_send(&moving.resume());
        is_send(&moving.status());
    }
}

//! Failback: keeps the old table current after the cutover, so that a rollback loses nothing.
//!
//! The changes are found by the target's events, which are written in the transaction of each change.
//! Each is written behind the block, in a transaction of its own, if the row is still what was read:
//! as long as the block stands, no other process writes the source. What was written before a kill is
//! found equal afterwards.

mod added_rows;
mod last_pass;
mod sessions;
mod sign_in;
mod source_writer;
mod work;

use std::time::Duration;

pub(super) use added_rows::AddedRows;
pub(super) use last_pass::last_pass;
use work::Failback;

use super::manifest::{
    MoveManifest, is_unconfirmed, journal, lock, take_over, try_lock, unconfirmed,
};
use super::proof::prove_keys;
use super::report::FailbackReport;
use crate::engine::{Captures, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{Journal, Phase};
use crate::target::forget_sign_ins;

/// How long a failback rests between two rounds, and how long it works in one round: meanwhile no
/// other command can take the lock.
const PAUSE: Duration = Duration::from_secs(1);
const ROUND: Duration = Duration::from_millis(500);

/// How often a rest checks whether the caller asked to stop.
const CHECK: Duration = Duration::from_millis(100);

/// How long a failback goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailbackMode {
    /// Until the source has every change so far.
    Once,
    /// Until it is stopped, or the move is finalized or rolled back.
    Follow,
}

pub(super) async fn failback(
    context: &MoveContext,
    mode: FailbackMode,
) -> Result<FailbackReport, MigrateError> {
    let lock = lock(context).await?;
    let begun = begin(context, &lock).await;
    lock.release().await;
    let journal = begun?;
    let captures = Captures::of(context, &MoveManifest::of(&journal)?.capture_owner(context.id))?;
    let mut of = Failback::open(context, &captures, &journal).await?;
    let phase = match of.run(mode).await {
        Err(error) if error.kind() == MigrateErrorKind::Cancelled => journal.phase,
        phase => phase?,
    };
    Ok(of.into_report(phase))
}

/// Proves what writing back takes, and takes the move over.
async fn begin(context: &MoveContext, lock: &crate::lock::Lock) -> Result<Journal, MigrateError> {
    let journal = journal(context).await?;
    if journal.phase != Phase::Open {
        return Err(MigrateError::because(
            MigrateErrorKind::Phase,
            format!(
                "a failback follows an open target, and the move is in the phase {}",
                journal.phase
            ),
        ));
    }
    if is_unconfirmed(&journal) {
        return Err(unconfirmed());
    }
    prove_keys(context, &journal).await?;
    let captures = Captures::of(context, &MoveManifest::of(&journal)?.capture_owner(context.id))?;
    if !journal.is_blocked || captures.iter().next().is_none() {
        return Err(MigrateError::because(
            MigrateErrorKind::Phase,
            "the source takes no triggers that block writes, so others may write to it",
        ));
    }
    captures.require_blocked().await?;
    take_over(context, lock).await?;
    Ok(journal)
}

impl Failback<'_> {
    /// Works in rounds; returns the phase that the move is in at the end.
    async fn run(&mut self, mode: FailbackMode) -> Result<Phase, MigrateError> {
        loop {
            let Some(lock) = try_lock(self.writer.context).await? else {
                // Another command is at work, after which the phase tells what to do.
                self.rest().await?;
                continue;
            };
            let round = self.round().await;
            lock.release().await;
            match round {
                Ok(Some(phase)) => return Ok(phase),
                Ok(None) => {}
                Err(error) if error.is_contended() => self.rest().await?,
                Err(error) => return Err(error),
            }
            if self.is_current {
                if mode == FailbackMode::Once {
                    return Ok(Phase::Open);
                }
                self.rest().await?;
            }
        }
    }

    /// Works for a moment; returns the phase if the target is not open any more.
    async fn round(&mut self) -> Result<Option<Phase>, MigrateError> {
        let phase = match self.writer.context.journal.load(&self.writer.context.target).await? {
            Some(journal) => journal.phase,
            None => Phase::RolledBack,
        };
        if phase != Phase::Open {
            return Ok(Some(phase));
        }
        self.bring_changes(Some(ROUND)).await?;
        self.note_counts().await?;
        Ok(None)
    }

    async fn rest(&self) -> Result<(), MigrateError> {
        let clock = self.writer.context.clock();
        let since = clock.monotonic();
        while clock.monotonic().saturating_sub(since) < PAUSE {
            self.writer.context.check_cancelled()?;
            clock.sleep(CHECK).await;
        }
        self.writer.context.check_cancelled()
    }
}

/// Removes what failbacks have noted: nothing goes back any more.
pub(super) async fn forget(context: &MoveContext) -> Result<(), MigrateError> {
    let transaction = context.begin_leased().await?;
    forget_sign_ins(&transaction, context.dialect(), context.id.as_uuid()).await?;
    Ok(transaction.commit().await?)
}

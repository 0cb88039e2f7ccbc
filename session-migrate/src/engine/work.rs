//! One process's work on a move: where it is, what it has done, and the pauses between batches.

use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::sea_orm::DatabaseTransaction;
use session_core::{Keyring, Timestamp};

use super::pass::Stopwatch;
use crate::engine::{Ground, begin, is_transient};
use crate::error::MigrateError;
use crate::journal::{Counts, Journal, Note, Phase, Place};
use crate::progress::Progress;
use crate::target::TargetTable;

/// How often a batch that others were in the way of is tried again, and the pause before.
const PATIENCE: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How often a paused move looks whether it may go on.
const PAUSE: Duration = Duration::from_millis(250);

/// Online, so much of a batch's time is left to the application after it: a fifth.
const THROTTLE: u32 = 5;

/// A move that this process works on.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) target: TargetTable,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) phase: Phase,
    pub(crate) place: Place,
    pub(crate) counts: Counts,
    /// Or why the source does not refuse writes.
    pub(crate) is_barred: Result<(), String>,
    worked: Duration,
    watch: Stopwatch,
}

impl<'a> Work<'a> {
    /// Goes on where the journal has come to.
    pub(crate) fn resume(ground: &'a Ground, journal: &Journal) -> Result<Self, MigrateError> {
        let keyring = Arc::clone(ground.keyring()?);
        Ok(Self {
            target: ground.target_table()?,
            phase: journal.phase,
            place: ground.journal.place(journal, &keyring)?,
            counts: journal.counts,
            is_barred: Ok(()),
            worked: Duration::ZERO,
            watch: Stopwatch::start(ground.clock()),
            keyring,
            ground,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.ground.clock().now()
    }

    /// Notes how far the work is, in the transaction of what was done.
    pub(crate) async fn note(
        &mut self,
        transaction: &DatabaseTransaction,
    ) -> Result<(), MigrateError> {
        let lap = self.watch.lap(self.ground.clock());
        self.worked += lap;
        let note = Note {
            phase: self.phase,
            place: &self.place,
            counts: &self.counts,
            now: self.now(),
            worked_ms: u64::try_from(lap.as_millis()).unwrap_or(0),
        };
        self.ground.journal.note(transaction, &self.keyring, &note).await
    }

    /// Notes it in a transaction of its own.
    pub(crate) async fn note_alone(&mut self) -> Result<(), MigrateError> {
        let transaction = begin(&self.ground.target).await?;
        self.note(&transaction).await?;
        transaction.commit().await?;
        self.tell(false);
        Ok(())
    }

    /// Enters a phase, at the beginning of the source.
    pub(crate) async fn enter(&mut self, phase: Phase) -> Result<(), MigrateError> {
        (self.phase, self.place) = (phase, Place::default());
        self.note_alone().await
    }

    /// Between two batches: tells, stops if that is asked, and waits as long as the move is
    /// paused.
    pub(crate) async fn between(&mut self, took: Duration) -> Result<(), MigrateError> {
        self.tell(false);
        self.ground.is_cancelled()?;
        if self.phase == Phase::Switch {
            // The source refuses writes: this is no time to rest.
            return Ok(());
        }
        if self.ground.options.is_online {
            self.ground.clock().sleep(took / THROTTLE).await;
        }
        while self.is_paused().await? {
            self.tell(true);
            self.ground.clock().sleep(PAUSE).await;
            self.ground.is_cancelled()?;
            // Time that passed in a pause is no work.
            self.watch.lap(self.ground.clock());
        }
        Ok(())
    }

    async fn is_paused(&self) -> Result<bool, MigrateError> {
        let ground = self.ground;
        ground.journal.is_paused(&ground.target).await
    }

    pub(crate) fn tell(&self, is_paused: bool) {
        let (phase, counts, worked) = (self.phase, self.counts, self.worked);
        self.ground.teller.tell(Progress { phase, counts, worked, is_paused });
    }

    /// Where the work stands, to be gone back to when a transaction is begun anew.
    pub(crate) fn mark(&self) -> Mark {
        Mark { place: self.place.clone(), counts: self.counts, tries: 0 }
    }

    /// After a transaction that failed: goes back to where it began and waits, if another one was
    /// in its way.
    ///
    /// # Errors
    ///
    /// The failure, if a repetition does not help.
    pub(crate) async fn again(
        &mut self,
        mark: &mut Mark,
        failure: MigrateError,
    ) -> Result<(), MigrateError> {
        if mark.tries == PATIENCE || !is_transient(&failure) {
            return Err(failure);
        }
        self.ground.clock().sleep(FIRST_PAUSE * 2_u32.pow(mark.tries)).await;
        mark.tries += 1;
        (self.place, self.counts) = (mark.place.clone(), mark.counts);
        Ok(())
    }
}

/// Where the work stood before a transaction.
#[derive(Debug)]
pub(crate) struct Mark {
    place: Place,
    counts: Counts,
    tries: u32,
}

//! Finds the changes in the target, and brings each into the source: first by the sessions that are
//! there, because events are purged after a few days, and from then on by the events.

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm_migration::sea_orm::prelude::Uuid;
use session_core::SessionId;

use super::sessions::bring_sessions;
use super::source_writer::SourceWriter;
use crate::engine::{Captures, MoveContext};
use crate::error::MigrateError;
use crate::journal::{FailbackCounts, Journal, Phase};
use crate::moves::report::FailbackReport;
use crate::target::{CHANGES, EventPosition, changed_sessions, events};

/// How many events are read at a time.
const BATCH: u32 = 100;

/// For how long events may come late: their times are those of the nodes' clocks, and a transaction
/// takes its time to commit.
const OVERLAP: Duration = Duration::from_secs(60);

/// One process's failback.
pub(super) struct Failback<'a> {
    pub(super) writer: SourceWriter<'a>,
    /// Whether every event that was there has been read.
    pub(super) is_current: bool,
    /// After which id the sessions are still to be looked at; `None` once all were.
    unread_after: Option<Uuid>,
    journal: Journal,
    noted: Option<FailbackCounts>,
    positions: [EventPosition; CHANGES.len()],
    seen: BTreeSet<EventPosition>,
}

impl<'a> Failback<'a> {
    /// Creates a failback that goes on from what the journal notes, or from the move's beginning.
    pub(super) async fn open(
        context: &'a MoveContext,
        captures: &'a Captures<'a>,
        journal: &Journal,
    ) -> Result<Self, MigrateError> {
        let mut of = Self {
            writer: SourceWriter::open(context, captures, journal).await?,
            is_current: false,
            unread_after: Some(Uuid::nil()),
            journal: journal.clone(),
            noted: journal.failback,
            positions: [(0, Uuid::nil()); CHANGES.len()],
            seen: BTreeSet::new(),
        };
        of.read_again();
        Ok(of)
    }

    /// Goes back to the beginning of the move, to find events that came too late.
    pub(super) fn restarted(mut self) -> Self {
        self.writer.counts.until = self.writer.started_at;
        self.read_again();
        self
    }

    fn read_again(&mut self) {
        let overlap = i64::try_from(OVERLAP.as_millis()).unwrap_or(i64::MAX);
        let from = self.writer.counts.until.saturating_sub(overlap);
        self.positions = [(from, Uuid::nil()); CHANGES.len()];
        self.seen.retain(|seen| seen.0 >= from);
    }

    /// Brings changes into the source until there are none left, or for so long.
    pub(super) async fn bring_changes(
        &mut self,
        limit: Option<Duration>,
    ) -> Result<(), MigrateError> {
        let context = self.writer.context;
        let since = context.clock().monotonic();
        self.is_current = false;
        let is_over = || {
            let took = context.clock().monotonic().saturating_sub(since);
            limit.is_some_and(|limit| took > limit)
        };
        while self.bring_unread().await? {
            context.check_cancelled()?;
            if is_over() {
                return Ok(());
            }
        }
        for at in 0..CHANGES.len() {
            while self.bring_events(at).await? {
                context.check_cancelled()?;
                if is_over() {
                    return Ok(());
                }
            }
        }
        self.is_current = true;
        self.read_again();
        Ok(())
    }

    /// Works on the next sessions of the first pass; returns `false` if there are none.
    async fn bring_unread(&mut self) -> Result<bool, MigrateError> {
        let Some(after) = self.unread_after else { return Ok(false) };
        let (context, since) = (self.writer.context, self.writer.started_at);
        let this = (context.dialect(), context.id.as_uuid());
        let ids = changed_sessions(&context.target, this, since, after, BATCH).await?;
        bring_sessions(&mut self.writer, &ids).await?;
        self.unread_after = ids.last().map(|id| id.as_uuid());
        Ok(self.unread_after.is_some())
    }

    /// Works on the next events of a kind; returns `false` if there are none.
    async fn bring_events(&mut self, kind: usize) -> Result<bool, MigrateError> {
        let (Some(name), Some(after)) = (CHANGES.get(kind), self.positions.get(kind).copied())
        else {
            return Ok(false);
        };
        let context = self.writer.context;
        let found = events(&context.target, context.dialect(), *name, after, BATCH).await?;
        let Some(last) = found.last().map(|event| event.position) else { return Ok(false) };
        let new = found.iter().filter(|event| !self.seen.contains(&event.position));
        let ids: BTreeSet<SessionId> = new.map(|event| event.session).collect();
        bring_sessions(&mut self.writer, &ids.into_iter().collect::<Vec<_>>()).await?;
        self.seen.extend(found.iter().map(|event| event.position));
        if let Some(position) = self.positions.get_mut(kind) {
            *position = last;
        }
        // The clock of a node that is ahead must not hide the events of others.
        let until = last.0.min(context.clock().now().as_millis());
        self.writer.counts.until = self.writer.counts.until.max(until);
        Ok(true)
    }

    /// Notes in the journal how far it has come, and sends it as progress.
    pub(super) async fn note_counts(&mut self) -> Result<(), MigrateError> {
        let (context, counts) = (self.writer.context, self.writer.counts);
        if self.noted != Some(counts) {
            let transaction = context.begin_leased().await?;
            let now = context.clock().now();
            context.journal.note_failback(&transaction, &self.journal, counts, now).await?;
            transaction.commit().await?;
            self.noted = Some(counts);
        }
        context.progress.update(|progress| {
            (progress.phase, progress.activity) = (Phase::Open, None);
            progress.counts = self.journal.counts;
            progress.failback = Some(counts);
        });
        Ok(())
    }

    pub(super) fn into_report(self, phase: Phase) -> FailbackReport {
        FailbackReport {
            schema: "session-migrate/failback/1",
            run: self.writer.context.id.to_string(),
            phase,
            counts: self.writer.counts,
            is_current: self.is_current && self.writer.counts.skipped == 0,
            skipped: self.writer.skipped.into_values().collect(),
        }
    }
}

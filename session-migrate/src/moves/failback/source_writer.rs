//! Writes the current state of one session into its row of the source.

use std::collections::{BTreeMap, BTreeSet};

use session_core::{SessionId, Timestamp};

use crate::engine::{Captures, MappedTable, MoveContext};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{FailbackCounts, Journal, Phase};
use crate::moves::report::LostSignIn;
use crate::moves::write_back::{is_renewed, renewed_tokens};
use crate::source::{RowTokens, SourceError, SourceRow};
use crate::sql::inbound_keys;
use crate::target::TargetRow;

/// How many changes that the source cannot take are listed.
const MAX_LISTED: usize = 100;

/// A row of the source, and its table.
pub(super) type RowOfSession<'a> = (&'a MappedTable, SourceRow);

/// Writes into the source, and counts what it wrote.
pub(super) struct SourceWriter<'a> {
    pub(super) context: &'a MoveContext,
    pub(super) captures: &'a Captures<'a>,
    pub(super) started_at: i64,
    pub(super) counts: FailbackCounts,
    /// For each table, why no session can become a row of it.
    pub(super) obstacles: Vec<Option<String>>,
    /// Whether no other move can be the source of sessions that began in the target.
    pub(super) is_alone: bool,
    /// The first changes that the source could not take, by session.
    pub(super) skipped: BTreeMap<SessionId, LostSignIn>,
    /// The sessions that the source could not take, also those that are not listed.
    skipped_ids: BTreeSet<SessionId>,
    /// For each table, whether rows can be removed: nothing else goes with them.
    is_removable: Vec<bool>,
}

impl<'a> SourceWriter<'a> {
    /// Creates a writer that counts on from what the journal notes. What was skipped is found again.
    pub(super) async fn open(
        context: &'a MoveContext,
        captures: &'a Captures<'a>,
        journal: &Journal,
    ) -> Result<Self, MigrateError> {
        let mut is_removable = Vec::new();
        for table in &context.tables {
            let keys = inbound_keys(&context.source, table.source.bound().slots.base()).await;
            let keys = keys.map_err(SourceError::from)?;
            is_removable.push(!keys.iter().any(|key| key.has_effect()));
        }
        let all = context.journal.all(&context.target).await?;
        let may_be_source =
            |of: &Journal| !matches!(of.phase, Phase::RolledBack | Phase::Finalized);
        let started_at = journal.started_at.as_millis();
        let begin = FailbackCounts { until: started_at, ..FailbackCounts::default() };
        Ok(Self {
            context,
            captures,
            started_at,
            counts: FailbackCounts { skipped: 0, ..journal.failback.unwrap_or(begin) },
            obstacles: context.tables.iter().map(|it| it.source.obstacle_to_rows()).collect(),
            is_alone: !all.iter().any(|of| of.id != context.id && may_be_source(of)),
            skipped: BTreeMap::new(),
            skipped_ids: BTreeSet::new(),
            is_removable,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.clock().now()
    }

    /// Brings a session's state into its row, if the row has another.
    pub(super) async fn bring(
        &mut self,
        session: &TargetRow,
        (table, row): RowOfSession<'a>,
    ) -> Result<(), MigrateError> {
        if session.is_ended() {
            if matches!(row.tokens, RowTokens::Absent) {
                self.note_taken(session);
                return Ok(());
            }
            return self.end_row(session, table, &row).await;
        }
        let Some(opened) = session.open(self.context.keyring()?) else {
            self.skip_change(session, "its tokens do not open in the target");
            return Ok(());
        };
        match is_renewed(&row, &opened) {
            Some(false) => {
                self.note_taken(session);
                return Ok(());
            }
            Some(true) => {}
            None => {
                self.skip_change(session, "its row in the source does not open");
                return Ok(());
            }
        }
        let tokens = match renewed_tokens(&opened, session.renewed_at) {
            Ok(tokens) => tokens,
            Err(why) => {
                self.skip_change(session, why);
                return Ok(());
            }
        };
        let captures = self.captures;
        let done = self.context.leased(async {
            let transaction = captures.begin_own_writes().await?;
            let done = table.source.write_back(&transaction, &row, &tokens).await?;
            captures.commit_own_writes(transaction).await?;
            Ok(done)
        });
        let done = done.await;
        if self.is_taken(session, done)? {
            self.counts.written_back += 1;
        }
        Ok(())
    }

    async fn end_row(
        &mut self,
        session: &TargetRow,
        table: &MappedTable,
        row: &SourceRow,
    ) -> Result<(), MigrateError> {
        let is_removable = self.is_removable.get(table.number).copied().unwrap_or(false);
        let (captures, now) = (self.captures, self.now());
        let done = self.context.leased(async {
            let transaction = captures.begin_own_writes().await?;
            let done = table.source.end(&transaction, row, is_removable, now).await?;
            captures.commit_own_writes(transaction).await?;
            Ok(done)
        });
        let done = done.await;
        if self.is_taken(session, done)? {
            self.counts.ended += 1;
        }
        Ok(())
    }

    /// Returns whether the source took a change. What it refuses is skipped, and told.
    pub(super) fn is_taken(
        &mut self,
        session: &TargetRow,
        done: Result<bool, MigrateError>,
    ) -> Result<bool, MigrateError> {
        match done {
            Ok(true) => {
                self.note_taken(session);
                Ok(true)
            }
            Ok(false) => {
                self.skip_change(session, "its row has changed in the source");
                Ok(false)
            }
            Err(error) if is_refused(&error) => {
                self.skip_change(session, "the source does not take what would be written");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes that the source has the session as it is.
    pub(super) fn note_taken(&mut self, session: &TargetRow) {
        self.skipped.remove(&session.id);
        if self.skipped_ids.remove(&session.id) {
            self.counts.skipped -= 1;
        }
    }

    /// Notes a change that the source cannot take.
    pub(super) fn skip_change(&mut self, session: &TargetRow, why: &'static str) {
        self.counts.skipped += u64::from(self.skipped_ids.insert(session.id));
        if self.skipped.len() < MAX_LISTED {
            let (user, provider) = (session.user.clone(), session.provider.clone());
            let lost = LostSignIn { id: session.id.to_string(), user, provider, why };
            self.skipped.insert(session.id, lost);
        }
    }
}

/// Returns whether a write failed for what was written: others may still be taken.
fn is_refused(error: &MigrateError) -> bool {
    error.kind() == MigrateErrorKind::Source && (error.is_violation() || error.is_misuse())
}

//! Lifts the blocks on a source, whichever move they belong to, and whether its target still exists.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::sea_orm::prelude::Uuid;
use serde::Serialize;
use session_core::SessionId;
use session_core::clock::SystemClock;

use super::manifest::MoveManifest;
use crate::capture::{Block, ChangeLog, Remains, RetryBudget, remains};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::{JournalTable, RunnerConnections};
use crate::lock::{Acquisition, Lock};
use crate::source::SourceError;
use crate::sql::Dialect;
use crate::sql::pool::{self, PoolOptions};

/// How long dropping the triggers waits for the transactions of others.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The name of this process in the journal.
const OWNER: &str = "a process that lifts the block";

/// The report of [`unblock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnblockReport {
    /// The version of this report's form: `session-migrate/unblock/1`.
    pub schema: &'static str,
    /// The blocks that were lifted, or stand.
    pub lifted: Vec<LiftedBlock>,
    /// How many change logs of moves that are on no record were removed, or are there.
    pub logs: usize,
}

/// A block that was lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LiftedBlock {
    /// The table that takes writes again.
    pub table: String,
    /// The id of the move that the block belonged to.
    pub run: String,
}

/// Lets applications write to a source again, and says whose blocks it lifted.
///
/// It takes neither the target nor a key: it is for a source that stays blocked because the target is
/// gone. A move that is open loses what is written from then on, so its rollback writes nothing back
/// any more. Of a move that is on record neither in the target, if one is given, nor in the source, the
/// change log and its triggers go too; if it should go on after all, it compares both sides.
///
/// # Errors
///
/// Returns a [`MigrateError`] if a database cannot be reached, or if the triggers cannot be dropped; of
/// the kind `Busy` if a process works on a move whose block this is.
pub async fn unblock(from: &str, to: Option<&str>) -> Result<UnblockReport, MigrateError> {
    let sides = Sides::open(from, to).await?;
    let report = sides.unblock().await;
    sides.close().await;
    report
}

/// Returns what [`unblock`] would lift and remove. Writes nothing.
///
/// # Errors
///
/// Returns a [`MigrateError`] if a database cannot be reached.
pub async fn unblockable(from: &str, to: Option<&str>) -> Result<UnblockReport, MigrateError> {
    let sides = Sides::open(from, to).await?;
    let report = sides.report().await;
    sides.close().await;
    report
}

/// The source, and the database in which its moves may be on record.
struct Sides {
    source: DatabaseConnection,
    target: DatabaseConnection,
    target_url: String,
}

/// What is left in a source, and the moves on record by their tags.
struct Liftable {
    remains: Remains,
    moves: BTreeMap<String, SessionId>,
}

impl Sides {
    async fn open(from: &str, to: Option<&str>) -> Result<Self, MigrateError> {
        let target_url = pool::existing(to.unwrap_or(from));
        Ok(Self {
            source: PoolOptions::new(1).connect(&pool::existing(from)).await?,
            target: PoolOptions::new(1).connect(&target_url).await?,
            target_url,
        })
    }

    async fn liftable(&self) -> Result<Liftable, MigrateError> {
        let journals = self.journal(SessionId::from_uuid(Uuid::nil())).all(&self.target).await?;
        let moves = journals
            .iter()
            .filter_map(|journal| Some((MoveManifest::of(journal).ok()?.tag, journal.id)));
        let moves = moves.collect();
        Ok(Liftable { remains: remains(&self.source).await.map_err(SourceError::from)?, moves })
    }

    async fn report(&self) -> Result<UnblockReport, MigrateError> {
        Ok(self.liftable().await?.report())
    }

    async fn unblock(&self) -> Result<UnblockReport, MigrateError> {
        let found = self.liftable().await?;
        let report = found.report();
        let known: Vec<SessionId> = found.blocked_moves().collect();
        let lock = if known.is_empty() { None } else { Some(self.take_over(&known).await?) };
        let done = self.lift(&found).await;
        if let Some(lock) = lock {
            lock.release().await;
        }
        done.map(|()| report)
    }

    /// Takes the moves over, so that a process that lost its lock can open none of them.
    async fn take_over(&self, moves: &[SessionId]) -> Result<Lock, MigrateError> {
        let lock = match Lock::take(&self.target_url, &self.target, OWNER).await? {
            Acquisition::Acquired(lock) => lock,
            Acquisition::HeldBy(holder) => {
                return Err(MigrateError::because(MigrateErrorKind::Busy, holder));
            }
        };
        for id in moves {
            let connections = RunnerConnections { lock: lock.connection(), ..Default::default() };
            self.journal(*id).take_over(&self.target, OWNER, &connections).await?;
        }
        Ok(lock)
    }

    async fn lift(&self, found: &Liftable) -> Result<(), MigrateError> {
        let budget = RetryBudget::new(Arc::new(SystemClock::new()), TIMEOUT);
        for block in &found.remains.blocks {
            block.lift(&self.source, &budget).await?;
        }
        for log in found.remains.logs.iter().filter(|log| !found.moves.contains_key(&log.tag)) {
            log.remove(&self.source, &budget).await?;
        }
        Ok(())
    }

    fn journal(&self, id: SessionId) -> JournalTable {
        let dialect = Dialect::of(self.target.get_database_backend());
        JournalTable { dialect, id, runner: Uuid::now_v7() }
    }

    async fn close(self) {
        // All work is done, so an error has no consequence.
        let _ = self.source.close().await;
        let _ = self.target.close().await;
    }
}

impl Liftable {
    fn report(&self) -> UnblockReport {
        let block =
            |block: &Block| LiftedBlock { table: block.table.clone(), run: block.run.clone() };
        let unknown = |log: &&ChangeLog| !self.moves.contains_key(&log.tag);
        UnblockReport {
            schema: "session-migrate/unblock/1",
            lifted: self.remains.blocks.iter().map(block).collect(),
            logs: self.remains.logs.iter().filter(unknown).count(),
        }
    }

    /// Returns the moves on record whose block stands.
    fn blocked_moves(&self) -> impl Iterator<Item = SessionId> {
        self.remains.blocks.iter().filter_map(|block| self.moves.get(&block.tag).copied())
    }
}

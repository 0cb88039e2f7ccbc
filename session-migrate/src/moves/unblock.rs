//! Lifts the blocks on a source, whichever move they belong to, and whether its target still exists.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use session_core::clock::SystemClock;

use crate::capture::{RetryBudget, blocks};
use crate::error::MigrateError;
use crate::source::SourceError;
use crate::sql::pool::{self, PoolOptions};

/// How long dropping the triggers waits for the transactions of others.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The report of [`unblock`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct UnblockReport {
    /// The version of this report's form: `session-migrate/unblock/1`.
    pub schema: &'static str,
    /// The blocks that were lifted.
    pub lifted: Vec<LiftedBlock>,
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
/// any more.
///
/// # Errors
///
/// Returns a [`MigrateError`] if the database cannot be reached, or if the triggers cannot be dropped.
pub async fn unblock(from: &str) -> Result<UnblockReport, MigrateError> {
    let source = PoolOptions::new(1).connect(&pool::existing(from)).await?;
    let budget = RetryBudget::new(Arc::new(SystemClock::new()), TIMEOUT);
    let mut lifted = Vec::new();
    let result = async {
        for block in blocks(&source).await.map_err(SourceError::from)? {
            block.lift(&source, &budget).await?;
            lifted.push(LiftedBlock { table: block.table, run: block.run });
        }
        Ok(())
    };
    let result: Result<(), MigrateError> = result.await;
    let _ = source.close().await;
    result?;
    Ok(UnblockReport { schema: "session-migrate/unblock/1", lifted })
}

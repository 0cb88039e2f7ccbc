//! The plan, the progress and the report of a prune.

use std::fmt;

use serde::Serialize;

use crate::cap::{Count, PartitionBy};

/// The plan of a prune. Making it writes nothing but a temporary table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PrunePlan {
    /// The schema of this object: `session-migrate/prune-plan/1`.
    pub schema: &'static str,
    /// The name of the mapping.
    pub mapping: String,
    /// The rows that pass the mapping's filter.
    pub rows: u64,
    /// The rows that would be pruned.
    pub pruned: u64,
    /// The partitions that are over the cap.
    pub partitions: u64,
    /// What the cap counts over.
    pub partition: PartitionBy,
    /// Which rows count.
    pub count: Count,
    /// Each provider, sorted by name.
    pub providers: Vec<ProviderPrune>,
    /// Whether the database ranks the rows; otherwise this process reads and ranks them.
    pub is_set_based: bool,
    /// Rows of other tables that refer to rows over the cap, and would be deleted or changed with
    /// them. While there are any, nothing is pruned.
    pub referring: Vec<ReferringRows>,
    /// Some of the rows that would be pruned, in the order in which they would be deleted.
    pub victims: Vec<PruneVictim>,
}

/// Rows of another table that refer to rows over the cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReferringRows {
    /// The other table.
    pub table: String,
    /// The columns of its foreign key.
    pub columns: Vec<String>,
    /// What the foreign key does with these rows: `CASCADE`, `SET NULL` or `SET DEFAULT`.
    pub on_delete: String,
    /// How many there are.
    pub rows: u64,
}

impl fmt::Display for ReferringRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.join(", ");
        write!(f, "{} rows of {} ({columns}, {})", self.rows, self.table, self.on_delete)
    }
}

/// A row that would be pruned.
///
/// # Security
///
/// A key can be a cookie: the plan is as confidential as the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PruneVictim {
    /// The row's key.
    pub key: String,
    /// `evicted` or `replaced`.
    pub reason: String,
}

/// What a prune does to the rows of one provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderPrune {
    /// The provider's name; bytes that are not UTF-8 are replaced.
    pub provider: String,
    /// How many rows a partition may keep; `None` if there is no limit.
    pub max: Option<u32>,
    /// The provider's rows that pass the mapping's filter.
    pub rows: u64,
    /// The rows that are pruned.
    pub pruned: u64,
}

/// The progress of a prune.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneProgress {
    /// The rows that are archived and deleted.
    pub pruned: u64,
    /// The rows that are to be pruned.
    pub total: u64,
    /// The rows that were left alone, because another connection changed or deleted them.
    pub changed: u64,
}

/// The report of a prune.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PruneReport {
    /// The schema of this object: `session-migrate/prune/1`.
    pub schema: &'static str,
    /// The id of the run, with which its rows are archived.
    pub run: String,
    /// The name of the mapping.
    pub mapping: String,
    /// The rows that passed the mapping's filter before the run.
    pub rows: u64,
    /// The rows that were archived and deleted.
    pub pruned: u64,
    /// The partitions that were over the cap.
    pub partitions: u64,
    /// The rows that another connection changed or deleted first. They were ranked again.
    pub changed: u64,
    /// Each provider, sorted by name.
    pub providers: Vec<ProviderPrune>,
    /// Whether the database ranked the rows; otherwise this process read and ranked them.
    pub is_set_based: bool,
    /// Whether the run was stopped before its end; run it again to continue.
    pub is_stopped: bool,
    /// The archive table; `None` if nothing was pruned.
    pub archive: Option<String>,
    /// The statements that put the rows of this run back, to be run in one transaction.
    pub undo: Vec<String>,
}

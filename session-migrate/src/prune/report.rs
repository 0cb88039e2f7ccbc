//! What a prune would do, does and did.

use serde::Serialize;

use crate::cap::{Count, PartitionBy};

/// What a prune would do. Nothing was written for it but a temporary table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PrunePlan {
    /// The form of this object: `session-migrate/prune-plan/1`.
    pub schema: &'static str,
    /// The mapping's name.
    pub mapping: String,
    /// The rows under the mapping's filter.
    pub rows: u64,
    /// The rows that would go.
    pub pruned: u64,
    /// In how many partitions there are too many.
    pub partitions: u64,
    /// Over what the cap counts.
    pub partition: PartitionBy,
    /// Which rows count.
    pub count: Count,
    /// Each provider, in the order of the names.
    pub providers: Vec<ProviderPrune>,
    /// Whether the database ranks the rows, and they are not opened here.
    pub is_set_based: bool,
    /// Some of those that would go, in the order of their keys.
    pub victims: Vec<PlannedVictim>,
}

/// A row that would go.
///
/// # Security
///
/// A key can be a cookie: the plan is as confidential as the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedVictim {
    /// The row's key.
    pub key: String,
    /// `evicted` or `replaced`.
    pub reason: String,
}

/// What a prune is about to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderPrune {
    /// Its name; what is not UTF-8 of it is shown as such.
    pub provider: String,
    /// How many a partition may keep; `None` without a limit.
    pub max: Option<u32>,
    /// The rows under the mapping's filter.
    pub rows: u64,
    /// The rows that go.
    pub pruned: u64,
}

/// How far a prune is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneProgress {
    /// Rows that are archived and deleted.
    pub pruned: u64,
    /// Rows that were to go.
    pub total: u64,
    /// Rows that were renewed or went away meanwhile, and were left alone.
    pub changed: u64,
}

/// What a prune did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PruneReport {
    /// The form of this object: `session-migrate/prune/1`.
    pub schema: &'static str,
    /// The run's id, which its rows in the archive have.
    pub run: String,
    /// The mapping's name.
    pub mapping: String,
    /// The rows under the mapping's filter, before.
    pub rows: u64,
    /// The rows that were archived and deleted.
    pub pruned: u64,
    /// In how many partitions there were too many.
    pub partitions: u64,
    /// Rows that were to go, and were renewed or went away first. They were ranked again.
    pub changed: u64,
    /// Each provider, in the order of the names.
    pub providers: Vec<ProviderPrune>,
    /// Whether the database ranked the rows, and they were not opened here.
    pub is_set_based: bool,
    /// Whether it was stopped before the end; run it again to go on.
    pub is_stopped: bool,
    /// The table that has what was pruned; `None` if nothing was.
    pub archive: Option<String>,
    /// The statements that put this run's rows back, for one transaction.
    pub undo: Vec<String>,
}

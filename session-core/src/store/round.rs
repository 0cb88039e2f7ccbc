//! Rounds of maintenance, divided among the nodes.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::store::StoreError;

/// How many rounds are remembered.
pub const KEPT_ROUNDS: u64 = 32;

/// Divides the rounds of maintenance among the nodes (law 9).
#[async_trait]
pub trait MaintenanceRounds {
    /// Returns the latest rounds, at most `limit`, the latest first.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer, or if a row is corrupt.
    async fn list_rounds(&self, limit: u64) -> Result<Vec<Round>, StoreError>;

    /// Records a round with the time of the caller's clock, unless there is one of this number;
    /// returns whether it did.
    ///
    /// The caller passes the number after the latest one. Rounds of more than [`KEPT_ROUNDS`] before
    /// it are forgotten.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot answer. The round may be recorded then, and no
    /// node does it.
    async fn claim_round(&self, round: Round) -> Result<bool, StoreError>;
}

/// A round of maintenance that a node has claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Its number; the first is 1.
    pub number: u64,
    /// When it was claimed, by the clock of the node that did.
    pub at: Timestamp,
}

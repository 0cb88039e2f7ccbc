//! Rounds of maintenance.

use std::collections::btree_map::Entry;

use async_trait::async_trait;

use super::{MemoryStore, at_most};
use crate::store::{KEPT_ROUNDS, MaintenanceRounds, Round, StoreError};

#[async_trait]
impl MaintenanceRounds for MemoryStore {
    async fn list_rounds(&self, limit: u64) -> Result<Vec<Round>, StoreError> {
        let state = self.state();
        let rounds =
            state.rounds.iter().rev().map(|(number, at)| Round { number: *number, at: *at });
        Ok(rounds.take(at_most(limit)).collect())
    }

    async fn claim_round(&self, round: Round) -> Result<bool, StoreError> {
        let rounds = &mut self.state().rounds;
        let Entry::Vacant(entry) = rounds.entry(round.number) else { return Ok(false) };
        entry.insert(round.at);
        rounds.retain(|number, _| *number + KEPT_ROUNDS > round.number);
        Ok(true)
    }
}

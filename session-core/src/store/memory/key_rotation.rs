//! Finding and re-sealing what an older key has sealed.

use std::collections::HashSet;

use async_trait::async_trait;

use super::{MemoryStore, at_most};
use crate::session::SessionId;
use crate::store::{
    KeyRotation, PendingRevocation, Reseal, RevocationId, StoreError, StoredSession,
};
use crate::token::{Sealed, SealedTokens};

#[async_trait]
impl KeyRotation for MemoryStore {
    async fn sample_per_key(&self) -> Result<Vec<StoredSession>, StoreError> {
        let state = self.state();
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for row in state.rows.live() {
            let Some(tokens) = &row.stored.tokens else { continue };
            if seen.insert(tokens.tokens.key_id()) {
                found.push(row.stored.clone());
            }
        }
        Ok(found)
    }

    async fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError> {
        let state = self.state();
        let behind = state.rows.live().filter(|row| Some(row.stored.session.id) > after);
        let is_other = |tokens: &SealedTokens| tokens.tokens.key_id() != Some(key_id);
        let other = behind.filter(|row| row.stored.tokens.as_ref().is_some_and(is_other));
        Ok(other.take(at_most(limit)).map(|row| row.stored.clone()).collect())
    }

    async fn list_revocations_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        let state = self.state();
        let behind = state.outbox.values().filter(|revocation| Some(revocation.id) > after);
        let other = behind.filter(|one| one.refresh_token.key_id() != Some(key_id));
        Ok(other.take(at_most(limit)).cloned().collect())
    }

    async fn reseal(&self, sessions: Vec<Reseal>) -> Result<usize, StoreError> {
        let (mut state, mut resealed) = (self.state(), 0);
        for Reseal { id, revision, tokens } in sessions {
            let row = state.rows.live_mut(id).filter(|row| row.session.revision == revision);
            if let Some(row) = row {
                row.tokens = Some(tokens);
                resealed += 1;
            }
        }
        Ok(resealed)
    }

    async fn reseal_revocation(&self, id: RevocationId, sealed: Sealed) -> Result<(), StoreError> {
        if let Some(revocation) = self.state().outbox.get_mut(&id) {
            revocation.refresh_token = sealed;
        }
        Ok(())
    }
}

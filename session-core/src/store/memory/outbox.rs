//! The outbox of refresh tokens that are to be revoked.

use async_trait::async_trait;

use super::{MemoryStore, at_most};
use crate::clock::Timestamp;
use crate::store::{
    PendingRevocation, RevocationBacklog, RevocationId, RevocationOutbox, StoreError,
};

#[async_trait]
impl RevocationOutbox for MemoryStore {
    async fn enqueue_revocation(&self, revocation: PendingRevocation) -> Result<(), StoreError> {
        self.state().outbox.entry(revocation.id).or_insert(revocation);
        Ok(())
    }

    async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        let mut state = self.state();
        let mut due: Vec<&mut PendingRevocation> =
            state.outbox.values_mut().filter(|revocation| revocation.due_at <= now).collect();
        due.sort_by_key(|revocation| (revocation.due_at, revocation.id));
        due.truncate(at_most(limit));
        for revocation in &mut due {
            revocation.due_at = until;
            revocation.attempts = revocation.attempts.saturating_add(1);
        }
        Ok(due.into_iter().map(|revocation| revocation.clone()).collect())
    }

    async fn postpone_revocation(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(revocation) = self.state().outbox.get_mut(&id) {
            revocation.due_at = due_at;
        }
        Ok(())
    }

    async fn revocation_backlog(&self) -> Result<RevocationBacklog, StoreError> {
        let state = self.state();
        let oldest = state.outbox.values().map(|revocation| revocation.created_at).min();
        Ok(RevocationBacklog {
            count: u64::try_from(state.outbox.len()).unwrap_or(u64::MAX),
            oldest,
        })
    }

    async fn complete_revocation(&self, id: RevocationId) -> Result<(), StoreError> {
        self.state().outbox.remove(&id);
        Ok(())
    }
}

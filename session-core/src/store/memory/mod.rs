//! A store in the memory of one process.

mod model;
mod outbox;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::event::Event;
use crate::session::{EndReason, ProviderName, SecretDigest, Session, SessionId, UserId};
use crate::store::{
    Admission, Decide, EndTarget, EndedSession, Lease, LeaseOwner, NewSession, Partition,
    PendingRevocation, RevocationId, SecretRotation, SessionStore, StaleQuery, StoreError,
    StoredSession, TokenWrite,
};
use crate::token::{Sealed, SealedTokens};
use model::Model;

/// Keeps sessions in the memory of one process: for tests, and for services of a single process
/// that may sign everybody out when they restart.
///
/// All [laws](crate::store) hold among the clones of one store, which share their sessions; two
/// processes share nothing, and a restart forgets everything: sessions, events, and the refresh
/// tokens that were still to be revoked. Lookups by digest, id, user and partition are indexed;
/// purging and re-sealing look through all sessions.
///
/// ```
/// use session_core::store::{SessionStore, memory::MemoryStore};
/// use session_core::session::SecretDigest;
/// use session_core::UserId;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// assert!(store.list(&UserId::new("ann").unwrap()).await.unwrap().is_empty());
/// assert_eq!(store.find_by_digest(&SecretDigest::of("unknown")).await.unwrap(), None);
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    model: Arc<Mutex<Model>>,
}

impl MemoryStore {
    /// A store without sessions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets every imported session be held, as one whose move is not switched yet, or none.
    ///
    /// A store in memory knows of no moves: this is for tests of what waits for a switch.
    ///
    /// ```
    /// use session_core::store::{SessionStore, memory::MemoryStore};
    /// use session_core::{SessionId, Timestamp};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// store.hold_imported(true);
    /// let id = SessionId::generate(Timestamp::from_millis(0));
    /// assert!(!store.is_held(id).await.unwrap(), "none that is not imported is held");
    /// # });
    /// ```
    pub fn hold_imported(&self, is_held: bool) {
        self.model().imported_are_held = is_held;
    }

    /// Each method takes this lock once and holds it over no await: that makes it one effect. A
    /// panic under it can only come from `decide`, which is asked before anything is changed.
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn admit(&self, new: NewSession, decide: &Decide<'_>) -> Result<Admission, StoreError> {
        self.model().admit(new, decide)
    }

    async fn find_by_digest(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError> {
        Ok(self.model().rows.find_by_digest(digest).map(|row| row.stored.clone()))
    }

    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        Ok(self.model().rows.get(id).map(|row| row.stored.clone()))
    }

    async fn find_all(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError> {
        let model = self.model();
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let found = ids.into_iter().filter_map(|id| model.rows.get(id));
        Ok(found.map(|row| row.stored.session.clone()).collect())
    }

    async fn list(&self, user: &UserId) -> Result<Vec<Session>, StoreError> {
        Ok(self.model().list(user))
    }

    async fn list_unclaimed(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        Ok(self.model().imported(user, provider, |digests| digests.iter().next().is_none()))
    }

    async fn list_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        Ok(self.model().imported(user, provider, |_| true))
    }

    async fn is_held(&self, id: SessionId) -> Result<bool, StoreError> {
        Ok(self.model().is_held(id))
    }

    async fn write_tokens(&self, write: TokenWrite) -> Result<Option<u64>, StoreError> {
        Ok(self.model().write_tokens(write))
    }

    async fn reseal(
        &self,
        id: SessionId,
        revision: u64,
        tokens: SealedTokens,
    ) -> Result<bool, StoreError> {
        Ok(self.model().reseal(id, revision, tokens))
    }

    async fn rotate_secret(&self, rotation: SecretRotation) -> Result<bool, StoreError> {
        self.model().rotate_secret(&rotation)
    }

    async fn confirm_rotation(
        &self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.model().confirm_rotation(id, presented, now);
        Ok(())
    }

    async fn touch(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.model().rows.live_mut(id) {
            row.session.last_seen_at = row.session.last_seen_at.max(at);
        }
        Ok(())
    }

    async fn end(
        &self,
        target: EndTarget,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        Ok(self.model().end(&target, reason, now))
    }

    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<bool, StoreError> {
        Ok(self.model().swap_lease(id, seen, *lease))
    }

    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError> {
        Ok(self.model().swap_lease(id, Some(lease), lease.raised()))
    }

    async fn release_lease(&self, id: SessionId, owner: LeaseOwner) -> Result<(), StoreError> {
        if let Some(row) = self.model().rows.live_mut(id) {
            row.lease = row.lease.filter(|lease| lease.owner != owner);
        }
        Ok(())
    }

    async fn list_timeout_candidates(&self, query: StaleQuery) -> Result<Vec<Session>, StoreError> {
        Ok(self.model().list_timeout_candidates(query))
    }

    async fn purge_ended(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        Ok(self.model().purge_ended(before, limit))
    }

    async fn purge_events(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        Ok(self.model().purge_events(before, limit))
    }

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.model().record(event);
        Ok(())
    }

    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError> {
        Ok(self.model().events_of(id))
    }

    async fn enqueue_revocation(&self, revocation: PendingRevocation) -> Result<(), StoreError> {
        self.model().outbox.enqueue(revocation);
        Ok(())
    }

    async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        Ok(self.model().outbox.claim(now, until, limit))
    }

    async fn postpone_revocation(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.model().outbox.postpone(id, due_at);
        Ok(())
    }

    async fn complete_revocation(&self, id: RevocationId) -> Result<(), StoreError> {
        self.model().outbox.settle(id);
        Ok(())
    }

    async fn reseal_revocation(&self, id: RevocationId, sealed: Sealed) -> Result<(), StoreError> {
        self.model().outbox.reseal(id, sealed);
        Ok(())
    }

    async fn count_live(&self, partition: &Partition) -> Result<u64, StoreError> {
        let live = self.model().rows.live_in(partition).count();
        Ok(u64::try_from(live).unwrap_or(u64::MAX))
    }

    async fn sample_per_key(&self) -> Result<Vec<StoredSession>, StoreError> {
        Ok(self.model().sample_per_key())
    }

    async fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError> {
        Ok(self.model().list_sealed_with_other_key(key_id, after, limit))
    }

    async fn list_revocations_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        Ok(self.model().outbox.list_sealed_with_other_key(key_id, after, limit))
    }
}

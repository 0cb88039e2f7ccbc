//! Forwards each call to the wrapped store, with its fault.

use async_trait::async_trait;

use super::{FaultyStore, Method};
use crate::clock::Timestamp;
use crate::event::{Change, Event, EventName};
use crate::session::{EndCause, ProviderName, SecretDigest, Session, SessionId, UserId};
use crate::store::{
    Admission, ChangesQuery, Decide, EndTarget, EndedSession, EventLog, KeyRotation, Lease,
    LeaseOwner, MaintenanceRounds, MigratedSessions, NewSession, Partition, PendingRevocation,
    RenewalLeases, Reseal, RevocationBacklog, RevocationId, RevocationOutbox, Round,
    SecretRotation, SessionLifecycle, SessionLookup, SessionUpdates, StepUpWrite, StoreError,
    StoredSession, TimeoutQuery, TokenWrite,
};
use crate::token::Sealed;

#[async_trait]
impl SessionLookup for FaultyStore {
    async fn find_by_digest(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError> {
        self.call(Method::FindByDigest, self.inner.find_by_digest(digest)).await
    }

    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        self.call(Method::Find, self.inner.find(id)).await
    }

    async fn find_all(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError> {
        self.call(Method::FindAll, self.inner.find_all(ids)).await
    }

    async fn list(&self, user: &UserId) -> Result<Vec<Session>, StoreError> {
        self.call(Method::List, self.inner.list(user)).await
    }

    async fn count_live(&self, partition: &Partition) -> Result<u64, StoreError> {
        self.call(Method::CountLive, self.inner.count_live(partition)).await
    }

    async fn list_timeout_candidates(
        &self,
        query: TimeoutQuery,
    ) -> Result<Vec<Session>, StoreError> {
        self.call(Method::ListTimeoutCandidates, self.inner.list_timeout_candidates(query)).await
    }
}

#[async_trait]
impl SessionLifecycle for FaultyStore {
    async fn admit(&self, new: NewSession, decide: &Decide<'_>) -> Result<Admission, StoreError> {
        self.call(Method::Admit, self.inner.admit(new, decide)).await
    }

    async fn end(
        &self,
        target: EndTarget,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        self.call(Method::End, self.inner.end(target, cause, now)).await
    }

    async fn purge_ended(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        self.call(Method::PurgeEnded, self.inner.purge_ended(before, limit)).await
    }
}

#[async_trait]
impl SessionUpdates for FaultyStore {
    async fn write_tokens(&self, write: TokenWrite) -> Result<Option<u64>, StoreError> {
        self.call(Method::WriteTokens, self.inner.write_tokens(write)).await
    }

    async fn step_up(&self, write: StepUpWrite) -> Result<Option<u64>, StoreError> {
        self.call(Method::StepUp, self.inner.step_up(write)).await
    }

    async fn rotate_secret(&self, rotation: SecretRotation) -> Result<bool, StoreError> {
        self.call(Method::RotateSecret, self.inner.rotate_secret(rotation)).await
    }

    async fn confirm_rotation(
        &self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(Method::ConfirmRotation, self.inner.confirm_rotation(id, presented, now)).await
    }

    async fn touch(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.call(Method::Touch, self.inner.touch(id, at)).await
    }
}

#[async_trait]
impl RenewalLeases for FaultyStore {
    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<Option<StoredSession>, StoreError> {
        self.call(Method::ClaimLease, self.inner.claim_lease(id, seen, lease)).await
    }

    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError> {
        self.call(Method::Heartbeat, self.inner.heartbeat(id, lease)).await
    }

    async fn release_lease(&self, id: SessionId, owner: LeaseOwner) -> Result<(), StoreError> {
        self.call(Method::ReleaseLease, self.inner.release_lease(id, owner)).await
    }
}

#[async_trait]
impl RevocationOutbox for FaultyStore {
    async fn enqueue_revocation(&self, revocation: PendingRevocation) -> Result<(), StoreError> {
        self.call(Method::EnqueueRevocation, self.inner.enqueue_revocation(revocation)).await
    }

    async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.call(Method::ClaimRevocations, self.inner.claim_revocations(now, until, limit)).await
    }

    async fn postpone_revocation(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(Method::PostponeRevocation, self.inner.postpone_revocation(id, due_at)).await
    }

    async fn revocation_backlog(&self) -> Result<RevocationBacklog, StoreError> {
        self.call(Method::RevocationBacklog, self.inner.revocation_backlog()).await
    }

    async fn complete_revocation(&self, id: RevocationId) -> Result<(), StoreError> {
        self.call(Method::CompleteRevocation, self.inner.complete_revocation(id)).await
    }
}

#[async_trait]
impl EventLog for FaultyStore {
    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.call(Method::Record, self.inner.record(event)).await
    }

    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError> {
        self.call(Method::Events, self.inner.events(id)).await
    }

    async fn list_changes(&self, query: ChangesQuery) -> Result<Vec<Change>, StoreError> {
        self.call(Method::ListChanges, self.inner.list_changes(query)).await
    }

    async fn purge_events(
        &self,
        kind: EventName,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        self.call(Method::PurgeEvents, self.inner.purge_events(kind, before, limit)).await
    }
}

#[async_trait]
impl MaintenanceRounds for FaultyStore {
    async fn list_rounds(&self, limit: u64) -> Result<Vec<Round>, StoreError> {
        self.call(Method::ListRounds, self.inner.list_rounds(limit)).await
    }

    async fn claim_round(&self, round: Round) -> Result<bool, StoreError> {
        self.call(Method::ClaimRound, self.inner.claim_round(round)).await
    }
}

#[async_trait]
impl MigratedSessions for FaultyStore {
    async fn list_unclaimed(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        self.call(Method::ListUnclaimed, self.inner.list_unclaimed(user, provider)).await
    }

    async fn list_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        self.call(Method::ListMigrated, self.inner.list_migrated(user, provider)).await
    }

    async fn is_held(&self, id: SessionId) -> Result<bool, StoreError> {
        self.call(Method::IsHeld, self.inner.is_held(id)).await
    }
}

#[async_trait]
impl KeyRotation for FaultyStore {
    async fn sample_per_key(&self) -> Result<Vec<StoredSession>, StoreError> {
        self.call(Method::SamplePerKey, self.inner.sample_per_key()).await
    }

    async fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError> {
        self.call(
            Method::ListSealedWithOtherKey,
            self.inner.list_sealed_with_other_key(key_id, after, limit),
        )
        .await
    }

    async fn list_revocations_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.call(
            Method::ListRevocationsSealedWithOtherKey,
            self.inner.list_revocations_sealed_with_other_key(key_id, after, limit),
        )
        .await
    }

    async fn reseal(&self, sessions: Vec<Reseal>) -> Result<usize, StoreError> {
        self.call(Method::Reseal, self.inner.reseal(sessions)).await
    }

    async fn reseal_revocation(&self, id: RevocationId, sealed: Sealed) -> Result<(), StoreError> {
        self.call(Method::ResealRevocation, self.inner.reseal_revocation(id, sealed)).await
    }
}

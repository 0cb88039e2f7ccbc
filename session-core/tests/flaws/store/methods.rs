//! Every method, with what is wrong about it.

use std::time::Duration;

use async_trait::async_trait;
use session_core::event::{Change, Event, EventName};
use session_core::policy::ProviderSelection;
use session_core::session::EndCause;
use session_core::session::{Origin, SecretDigest};
use session_core::store::{
    Admission, ChangesQuery, Decide, EndTarget, EndedSession, EventLog, KeyRotation, Lease,
    LeaseOwner, MaintenanceRounds, MigratedSessions, NewSession, Partition, PendingRevocation,
    RenewalLeases, Reseal, RevocationBacklog, RevocationId, RevocationOutbox, Round,
    SecretRotation, SessionLifecycle, SessionLookup, SessionUpdates, StepUpWrite, StoreError,
    StoredSession, TimeoutBasis, TimeoutQuery, TokenWrite,
};
use session_core::token::Sealed;
use session_core::{ProviderName, Session, SessionId, Timestamp, UserId};

use super::{Flaw, Flawed};

#[async_trait]
impl SessionLookup for Flawed {
    async fn find_by_digest(
        &self,
        digest: &SecretDigest,
    ) -> Result<Option<StoredSession>, StoreError> {
        let found = self.inner.find_by_digest(digest).await?;
        let found = found.filter(|row| {
            self.flaw != Flaw::KnowsCurrentCookiesOnly || row.digests.current == Some(*digest)
        });
        Ok(found.map(|row| self.read(row)))
    }

    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>, StoreError> {
        let found = self.inner.find(id).await?.map(|row| self.read(row));
        if self.flaw != Flaw::ReadsFromACache {
            return Ok(found);
        }
        let mut cache = self.cache.lock().unwrap();
        Ok(cache.entry(id).or_insert(found).clone())
    }

    async fn find_all(&self, ids: &[SessionId]) -> Result<Vec<Session>, StoreError> {
        self.inner.find_all(ids).await
    }

    async fn list(&self, user: &UserId) -> Result<Vec<Session>, StoreError> {
        let user = self.folded_user(user);
        let mut list = self.inner.list(&user).await?;
        if self.flaw == Flaw::ListsOldestFirst {
            list.reverse();
        }
        Ok(list)
    }

    async fn count_live(&self, partition: &Partition) -> Result<u64, StoreError> {
        self.inner.count_live(partition).await
    }

    async fn list_timeout_candidates(
        &self,
        query: TimeoutQuery,
    ) -> Result<Vec<Session>, StoreError> {
        let after = query.after.filter(|_| self.flaw != Flaw::PagesWithoutCursor);
        let query = match self.flaw {
            Flaw::ListsAllAsConnections if query.by == TimeoutBasis::ConnectionRenewed => {
                TimeoutQuery::new(TimeoutBasis::TimeoutsFrom, query.until, query.limit)
            }
            Flaw::ListsAllProviders => query.of(ProviderSelection::all()),
            _ => query,
        };
        self.inner.list_timeout_candidates(query.after(after)).await
    }
}

#[async_trait]
impl SessionLifecycle for Flawed {
    async fn admit(&self, new: NewSession, decide: &Decide<'_>) -> Result<Admission, StoreError> {
        self.admit_flawed(new, decide).await
    }

    async fn end(
        &self,
        target: EndTarget,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        self.end_flawed(target, cause, now).await
    }

    async fn purge_ended(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let limit = if self.flaw == Flaw::PurgesAll { u64::MAX } else { limit };
        let early = self.flaw == Flaw::PurgesTooEarly;
        let before = if early { before + Duration::from_millis(1) } else { before };
        self.inner.purge_ended(before, limit).await
    }
}

#[async_trait]
impl SessionUpdates for Flawed {
    async fn write_tokens(&self, mut write: TokenWrite) -> Result<Option<u64>, StoreError> {
        if self.flaw == Flaw::WritesWithoutRelease {
            write.releases = None;
        }
        if matches!(self.flaw, Flaw::WritesAnyRevision | Flaw::WritesInTwoSteps) {
            let read = self.inner.find(write.id).await?;
            let Some(read) = read else { return Ok(None) };
            let stale = read.session.revision != write.revision;
            if stale && self.flaw == Flaw::WritesInTwoSteps {
                return Ok(None);
            }
            self.pause().await;
            let now = self.inner.find(write.id).await?.unwrap();
            let revision = now.session.revision;
            let write = TokenWrite::new(write.id, revision, write.tokens, write.now);
            return self.inner.write_tokens(write).await;
        }
        self.inner.write_tokens(write).await
    }

    async fn step_up(&self, mut write: StepUpWrite) -> Result<Option<u64>, StoreError> {
        match self.flaw {
            Flaw::StepsUpAnyRevision => {
                let row = self.inner.find(write.tokens.id).await?;
                write.tokens.revision = row.map_or(0, |row| row.session.revision);
            }
            Flaw::ForgetsTheReplacedToken => write.revokes = None,
            _ => {}
        }
        self.inner.step_up(write).await
    }

    async fn rotate_secret(&self, mut rotation: SecretRotation) -> Result<bool, StoreError> {
        rotation.forgets_authentication &= self.flaw != Flaw::KeepsTheAuthentication;
        if self.flaw == Flaw::RotatesAnySecret {
            let row = self.inner.find(rotation.id).await?;
            let from = row.and_then(|row| row.digests.current);
            let any = SecretRotation::new(rotation.id, from, rotation.to, rotation.now);
            return self.inner.rotate_secret(any.with_previous(rotation.previous)).await;
        }
        self.inner.rotate_secret(rotation).await
    }

    async fn confirm_rotation(
        &self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.flaw == Flaw::ConfirmsWithTheOldSecret {
            let row = self.inner.find(id).await?;
            let current = row.and_then(|row| row.digests.current).unwrap_or(*presented);
            return self.inner.confirm_rotation(id, &current, now).await;
        }
        self.inner.confirm_rotation(id, presented, now).await
    }

    async fn touch(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.inner.touch(id, at).await
    }
}

#[async_trait]
impl RenewalLeases for Flawed {
    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<Option<StoredSession>, StoreError> {
        let held = self.inner.find(id).await?.and_then(|row| row.lease);
        let seen = match (self.flaw, seen, held.as_ref()) {
            (Flaw::ClaimsHeldLeases, None, held) => held,
            (Flaw::TakesOverMovingLeases, Some(seen), Some(held)) if seen.owner == held.owner => {
                Some(held)
            }
            (Flaw::ClaimsInTwoSteps, seen, held) if seen == held => {
                self.pause().await;
                let now = self.inner.find(id).await?.and_then(|row| row.lease);
                return self.inner.claim_lease(id, now.as_ref(), lease).await;
            }
            _ => seen,
        };
        self.inner.claim_lease(id, seen, lease).await
    }

    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError> {
        let held = self.inner.find(id).await?.and_then(|row| row.lease);
        match held.filter(|_| self.flaw == Flaw::RaisesForAnyOwner) {
            Some(held) => self.inner.heartbeat(id, &held).await,
            None => self.inner.heartbeat(id, lease).await,
        }
    }

    async fn release_lease(&self, id: SessionId, owner: LeaseOwner) -> Result<(), StoreError> {
        let held = self.inner.find(id).await?.and_then(|row| row.lease);
        let held = held.filter(|_| self.flaw == Flaw::ReleasesForAnyOwner);
        self.inner.release_lease(id, held.map_or(owner, |held| held.owner)).await
    }
}

#[async_trait]
impl RevocationOutbox for Flawed {
    async fn enqueue_revocation(&self, revocation: PendingRevocation) -> Result<(), StoreError> {
        self.inner.enqueue_revocation(revocation).await
    }

    async fn claim_revocations(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        let claimed = self.inner.claim_revocations(now, until, limit).await?;
        if self.flaw == Flaw::ClaimsRevocationsForAll {
            for revocation in &claimed {
                self.inner.postpone_revocation(revocation.id, now).await?;
            }
        }
        Ok(claimed)
    }

    async fn postpone_revocation(
        &self,
        id: RevocationId,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner.postpone_revocation(id, due_at).await
    }

    async fn revocation_backlog(&self) -> Result<RevocationBacklog, StoreError> {
        self.inner.revocation_backlog().await
    }

    async fn complete_revocation(&self, id: RevocationId) -> Result<(), StoreError> {
        self.inner.complete_revocation(id).await
    }
}

#[async_trait]
impl MaintenanceRounds for Flawed {
    async fn list_rounds(&self, limit: u64) -> Result<Vec<Round>, StoreError> {
        self.inner.list_rounds(limit).await
    }

    async fn claim_round(&self, round: Round) -> Result<bool, StoreError> {
        let claimed = self.inner.claim_round(round).await?;
        Ok(claimed || self.flaw == Flaw::ClaimsRoundsForAll)
    }
}

#[async_trait]
impl EventLog for Flawed {
    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.inner.record(event).await
    }

    async fn events(&self, id: SessionId) -> Result<Vec<Event>, StoreError> {
        let mut events = self.inner.events(id).await?;
        if self.flaw == Flaw::ReversesEvents {
            events.reverse();
        }
        Ok(events)
    }

    async fn list_changes(&self, query: ChangesQuery) -> Result<Vec<Change>, StoreError> {
        let after = query.after.filter(|_| self.flaw != Flaw::PagesChangesWithoutCursor);
        let mut changes = self.inner.list_changes(query.after(after)).await?;
        if self.flaw == Flaw::HidesRenewals {
            changes.retain(|change| change.kind.name() == EventName::Ended);
        }
        Ok(changes)
    }

    async fn purge_events(
        &self,
        kind: EventName,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, StoreError> {
        self.inner.purge_events(kind, before, limit).await
    }
}

#[async_trait]
impl MigratedSessions for Flawed {
    async fn list_unclaimed(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        match self.flaw {
            Flaw::OffersClaimedSessions => self.inner.list_migrated(user, provider).await,
            Flaw::OffersConnections => {
                let of_provider = |session: &Session| session.provider == *provider;
                let mut all = self.inner.list(user).await?;
                all.retain(|s| of_provider(s) && s.origin == Origin::Connection);
                all.extend(self.inner.list_unclaimed(user, provider).await?);
                Ok(all)
            }
            Flaw::OffersOldestFirst => {
                let mut found = self.inner.list_unclaimed(user, provider).await?;
                found.reverse();
                Ok(found)
            }
            _ => self.inner.list_unclaimed(user, provider).await,
        }
    }

    async fn list_migrated(
        &self,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Vec<Session>, StoreError> {
        match self.flaw {
            Flaw::ForgetsClaimedMigrated => self.inner.list_unclaimed(user, provider).await,
            Flaw::MixesProviders => {
                let mut all = self.inner.list(user).await?;
                all.retain(|session| session.origin == Origin::Imported);
                Ok(all)
            }
            _ => self.inner.list_migrated(user, provider).await,
        }
    }

    async fn is_held(&self, id: SessionId) -> Result<bool, StoreError> {
        if self.flaw == Flaw::HoldsAllImported {
            let row = self.inner.find(id).await?;
            return Ok(row.is_some_and(|row| row.session.origin == Origin::Imported));
        }
        self.inner.is_held(id).await
    }
}

#[async_trait]
impl KeyRotation for Flawed {
    async fn sample_per_key(&self) -> Result<Vec<StoredSession>, StoreError> {
        self.inner.sample_per_key().await
    }

    async fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Result<Vec<StoredSession>, StoreError> {
        let after = after.filter(|_| self.flaw != Flaw::ForgetsOtherKeys);
        self.inner.list_sealed_with_other_key(key_id, after, limit).await
    }

    async fn list_revocations_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Result<Vec<PendingRevocation>, StoreError> {
        self.inner.list_revocations_sealed_with_other_key(key_id, after, limit).await
    }

    async fn reseal(&self, mut sessions: Vec<Reseal>) -> Result<usize, StoreError> {
        match self.flaw {
            Flaw::ResealsAsRenewal => {
                let (now, mut resealed) = (Timestamp::from_millis(0), 0);
                for Reseal { id, revision, tokens, .. } in sessions {
                    let write = TokenWrite::new(id, revision, tokens, now);
                    resealed += usize::from(self.inner.write_tokens(write).await?.is_some());
                }
                Ok(resealed)
            }
            Flaw::ResealsAnyRevision => {
                for session in &mut sessions {
                    let row = self.inner.find(session.id).await?;
                    session.revision = row.map_or(session.revision, |row| row.session.revision);
                }
                self.inner.reseal(sessions).await
            }
            Flaw::ResealsAllOrNone => {
                for session in &sessions {
                    let row = self.inner.find(session.id).await?;
                    if row.is_none_or(|row| row.session.revision != session.revision) {
                        return Ok(0);
                    }
                }
                self.inner.reseal(sessions).await
            }
            _ => self.inner.reseal(sessions).await,
        }
    }

    async fn reseal_revocation(&self, id: RevocationId, sealed: Sealed) -> Result<(), StoreError> {
        self.inner.reseal_revocation(id, sealed).await
    }
}

//! Updates and leases of one live session.

use async_trait::async_trait;

use super::{MemoryStore, Tables};
use crate::clock::Timestamp;
use crate::event::EventKind;
use crate::session::{Authentication, SecretDigest, Session, SessionId};
use crate::store::{
    Digests, Lease, LeaseOwner, RenewalLeases, SecretRotation, SessionUpdates, StepUpWrite,
    StoreError, StoredSession, TokenWrite,
};

#[async_trait]
impl SessionUpdates for MemoryStore {
    async fn write_tokens(&self, write: TokenWrite) -> Result<Option<u64>, StoreError> {
        let mut state = self.state();
        let row = state.rows.live_mut(write.id);
        let Some(row) = row.filter(|row| row.session.revision == write.revision) else {
            return Ok(None);
        };
        let session = put_tokens(row, &write);
        state.record(&session, EventKind::Renewed, write.now);
        Ok(Some(session.revision))
    }

    async fn step_up(&self, write: StepUpWrite) -> Result<Option<u64>, StoreError> {
        let StepUpWrite { tokens, to, previous, authentication, sid, revokes } = write;
        let digests = Digests { current: Some(to), previous, is_rotated: true };
        let mut state = self.state();
        let row = state.rows.live_mut(tokens.id);
        if row.is_none_or(|row| row.session.revision != tokens.revision) {
            return Ok(None);
        }
        state.rows.check_unique(tokens.id, &digests)?;
        state.rows.change_digests(tokens.id, digests);
        let session = state.rows.live_mut(tokens.id).map(|row| {
            row.session.authentication = authentication;
            row.session.identity.sid = sid;
            put_tokens(row, &tokens)
        });
        let Some(session) = session else { return Ok(None) };
        state.record(&session, EventKind::SteppedUp, tokens.now);
        if let Some(revocation) = revokes {
            state.outbox.entry(revocation.id).or_insert(revocation);
        }
        Ok(Some(session.revision))
    }

    async fn rotate_secret(&self, rotation: SecretRotation) -> Result<bool, StoreError> {
        let SecretRotation { to, previous, .. } = rotation;
        let digests = Digests { current: Some(to), previous, is_rotated: true };
        let mut state = self.state();
        let row = state.rows.live_mut(rotation.id);
        if row.is_none_or(|row| row.digests.current != rotation.from) {
            return Ok(false);
        }
        state.rows.check_unique(rotation.id, &digests)?;
        state.rows.change_digests(rotation.id, digests);
        if let Some(row) = state.rows.live_mut(rotation.id) {
            row.session.revision += 1;
            if rotation.forgets_authentication {
                row.session.authentication = Authentication::default();
            }
        }
        Ok(true)
    }

    async fn confirm_rotation(
        &self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let row = state.rows.live_mut(id).filter(|row| row.digests.current == Some(*presented));
        if let Some(previous) = row.and_then(|row| row.digests.previous.as_mut()) {
            previous.confirmed_at.get_or_insert(now);
        }
        Ok(())
    }

    async fn touch(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        if let Some(row) = self.state().rows.live_mut(id) {
            row.session.last_seen_at = row.session.last_seen_at.max(at);
        }
        Ok(())
    }
}

#[async_trait]
impl RenewalLeases for MemoryStore {
    async fn claim_lease(
        &self,
        id: SessionId,
        seen: Option<&Lease>,
        lease: &Lease,
    ) -> Result<Option<StoredSession>, StoreError> {
        let mut state = self.state();
        let is_claimed = state.swap_lease(id, seen, *lease);
        Ok(state.rows.get(id).filter(|_| is_claimed).map(|row| row.stored.clone()))
    }

    async fn heartbeat(&self, id: SessionId, lease: &Lease) -> Result<bool, StoreError> {
        Ok(self.state().swap_lease(id, Some(lease), lease.raised()))
    }

    async fn release_lease(&self, id: SessionId, owner: LeaseOwner) -> Result<(), StoreError> {
        if let Some(row) = self.state().rows.live_mut(id) {
            row.lease = row.lease.filter(|lease| lease.owner != owner);
        }
        Ok(())
    }
}

/// Puts new tokens into a row, and returns its session.
fn put_tokens(row: &mut StoredSession, write: &TokenWrite) -> Session {
    row.tokens = Some(write.tokens.clone());
    row.session.revision += 1;
    row.session.renewed_at = Some(write.now);
    row.lease = row.lease.filter(|lease| Some(lease.owner) != write.releases);
    row.session.clone()
}

impl Tables {
    fn swap_lease(&mut self, id: SessionId, seen: Option<&Lease>, lease: Lease) -> bool {
        let key = |lease: &Lease| (lease.owner, lease.heartbeat);
        let row = self.rows.live_mut(id);
        let row = row.filter(|row| row.lease.as_ref().map(key) == seen.map(key));
        row.map(|row| row.lease = Some(lease)).is_some()
    }
}

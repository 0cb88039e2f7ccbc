//! The refresh tokens that are to be revoked.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::store::{PendingRevocation, RevocationId};
use crate::token::Sealed;

/// All revocations, in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pending: BTreeMap<RevocationId, PendingRevocation>,
}

impl Outbox {
    /// One that is in already stays as it is: its caller has missed the first answer.
    pub(super) fn enqueue(&mut self, revocation: PendingRevocation) {
        self.pending.entry(revocation.id).or_insert(revocation);
    }

    pub(super) fn claim(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        limit: u64,
    ) -> Vec<PendingRevocation> {
        let mut due: Vec<&mut PendingRevocation> =
            self.pending.values_mut().filter(|revocation| revocation.due_at <= now).collect();
        due.sort_by_key(|revocation| (revocation.due_at, revocation.id));
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        for revocation in &mut due {
            revocation.due_at = until;
            revocation.attempts = revocation.attempts.saturating_add(1);
        }
        due.into_iter().map(|revocation| revocation.clone()).collect()
    }

    pub(super) fn postpone(&mut self, id: RevocationId, due_at: Timestamp) {
        if let Some(revocation) = self.pending.get_mut(&id) {
            revocation.due_at = due_at;
        }
    }

    pub(super) fn settle(&mut self, id: RevocationId) {
        self.pending.remove(&id);
    }

    pub(super) fn reseal(&mut self, id: RevocationId, sealed: Sealed) {
        if let Some(revocation) = self.pending.get_mut(&id) {
            revocation.refresh_token = sealed;
        }
    }

    pub(super) fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<RevocationId>,
        limit: u64,
    ) -> Vec<PendingRevocation> {
        let behind = self.pending.values().filter(|revocation| Some(revocation.id) > after);
        let other = behind.filter(|r| r.refresh_token.key_id() != Some(key_id));
        other.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
    }
}

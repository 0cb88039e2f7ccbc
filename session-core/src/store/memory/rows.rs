//! The rows and their indexes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::policy::AdmittedSession;
use crate::session::{SecretDigest, SessionId, UserId};
use crate::store::{Digests, Partition, StoreError, StoreErrorKind, StoredSession};

/// A session with what only the store knows of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) stored: StoredSession,
    pub(super) partition: Partition,
    /// The order of its admission (store law 1).
    pub(super) admission: u64,
}

impl Row {
    pub(super) const fn admitted(&self) -> AdmittedSession {
        let session = &self.stored.session;
        AdmittedSession {
            id: session.id,
            admission: self.admission,
            last_seen_at: session.last_seen_at,
            timeouts_from: session.timeouts_from,
        }
    }
}

/// All rows, live and ended, with an index for each lookup.
#[derive(Debug, Default)]
pub(super) struct Rows {
    by_id: BTreeMap<SessionId, Row>,
    by_digest: HashMap<SecretDigest, SessionId>,
    by_user: HashMap<UserId, BTreeSet<SessionId>>,
    by_partition: HashMap<Partition, BTreeSet<SessionId>>,
}

impl Rows {
    pub(super) fn get(&self, id: SessionId) -> Option<&Row> {
        self.by_id.get(&id)
    }

    pub(super) fn find_by_digest(&self, digest: &SecretDigest) -> Option<&Row> {
        self.by_digest.get(digest).and_then(|id| self.by_id.get(id))
    }

    /// Returns the row of a live session, to change anything but its digests, user and identity.
    pub(super) fn live_mut(&mut self, id: SessionId) -> Option<&mut StoredSession> {
        let row = self.by_id.get_mut(&id)?;
        row.stored.session.is_live().then_some(&mut row.stored)
    }

    /// Returns the live rows, in the order of their ids.
    pub(super) fn live(&self) -> impl Iterator<Item = &Row> {
        self.all().filter(|row| row.stored.session.is_live())
    }

    /// Returns the live rows of a user, in the order of their ids.
    pub(super) fn live_of(&self, user: &UserId) -> impl Iterator<Item = &Row> {
        self.pick(self.by_user.get(user))
    }

    /// Returns the live rows of a partition, in the order of their ids.
    pub(super) fn live_in(&self, partition: &Partition) -> impl Iterator<Item = &Row> {
        self.pick(self.by_partition.get(partition))
    }

    /// Returns all rows, in the order of their ids.
    pub(super) fn all(&self) -> impl Iterator<Item = &Row> {
        self.by_id.values()
    }

    fn pick<'a>(&'a self, ids: Option<&'a BTreeSet<SessionId>>) -> impl Iterator<Item = &'a Row> {
        let rows = ids.into_iter().flatten().filter_map(|id| self.by_id.get(id));
        rows.filter(|row| row.stored.session.is_live())
    }

    /// Fails if another row has one of these digests, with the kind of error that a unique index of
    /// a database causes.
    pub(super) fn check_unique(&self, id: SessionId, digests: &Digests) -> Result<(), StoreError> {
        let is_free = |digest| self.by_digest.get(&digest).is_none_or(|holder| *holder == id);
        let rejected = || StoreError::new(StoreErrorKind::Rejected);
        digests.iter().all(is_free).then_some(()).ok_or_else(rejected)
    }

    pub(super) fn insert(&mut self, row: Row) -> Result<(), StoreError> {
        let id = row.stored.session.id;
        if self.by_id.contains_key(&id) {
            return Err(StoreError::new(StoreErrorKind::Rejected));
        }
        self.check_unique(id, &row.stored.digests)?;
        self.by_digest.extend(row.stored.digests.iter().map(|digest| (digest, id)));
        self.by_user.entry(row.stored.session.user.clone()).or_default().insert(id);
        self.by_partition.entry(row.partition).or_default().insert(id);
        self.by_id.insert(id, row);
        Ok(())
    }

    /// Replaces the digests of a row, which must be unique.
    pub(super) fn change_digests(&mut self, id: SessionId, digests: Digests) {
        let Some(row) = self.by_id.get_mut(&id) else { return };
        for digest in row.stored.digests.iter() {
            self.by_digest.remove(&digest);
        }
        row.stored.digests = digests;
        self.by_digest.extend(digests.iter().map(|digest| (digest, id)));
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        let Some(row) = self.by_id.remove(&id) else { return };
        for digest in row.stored.digests.iter() {
            self.by_digest.remove(&digest);
        }
        remove_from(&mut self.by_user, &row.stored.session.user, id);
        remove_from(&mut self.by_partition, &row.partition, id);
    }
}

/// Removes an id from an index, and its entry when no other id is left.
fn remove_from<K: std::hash::Hash + Eq>(
    index: &mut HashMap<K, BTreeSet<SessionId>>,
    key: &K,
    id: SessionId,
) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

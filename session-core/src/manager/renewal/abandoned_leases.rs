//! Leases of this process that no task of it holds any more.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::manager::peak::shrink_after_peak;
use crate::session::SessionId;
use crate::store::LeaseOwner;

/// Leases that this process has given up and could not release yet. It need not watch them.
#[derive(Debug, Default)]
pub(in crate::manager) struct AbandonedLeases {
    owners: Mutex<HashMap<SessionId, LeaseOwner>>,
}

impl AbandonedLeases {
    pub(super) fn contains(&self, id: SessionId, owner: LeaseOwner) -> bool {
        self.lock().get(&id) == Some(&owner)
    }

    pub(super) fn insert(&self, id: SessionId, owner: LeaseOwner) {
        self.lock().insert(id, owner);
    }

    /// Removes an owner, unless the session has a later one.
    pub(super) fn remove(&self, id: SessionId, owner: LeaseOwner) {
        let mut owners = self.lock();
        if owners.get(&id) == Some(&owner) {
            owners.remove(&id);
            shrink_after_peak(&mut owners);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, LeaseOwner>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Resources for which a provider gives a session no token: it is not asked again at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::session::SessionId;
use crate::token::Resource;

/// How long a provider is not asked again for a resource that it has refused a session.
const PAUSE: Duration = Duration::from_secs(60);

/// How many refusals are remembered.
const MAX_REFUSALS: usize = 4096;

/// The refusals of this process, each with the monotonic time until which it counts.
#[derive(Debug, Default)]
pub(in crate::manager) struct RefusedResources(Mutex<HashMap<(SessionId, Resource), Duration>>);

impl RefusedResources {
    pub(super) fn add(&self, id: SessionId, resource: &Resource, now: Duration) {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.retain(|_, until| now < *until);
        if refused.len() < MAX_REFUSALS {
            refused.insert((id, resource.clone()), now.saturating_add(PAUSE));
        }
    }

    pub(super) fn contains(&self, id: SessionId, resource: &Resource, now: Duration) -> bool {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !refused.is_empty()
            && refused.get(&(id, resource.clone())).is_some_and(|until| now < *until)
    }
}

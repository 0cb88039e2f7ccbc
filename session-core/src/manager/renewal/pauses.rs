//! What this process does not ask a provider for again at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many pauses are remembered. Beyond them a provider may be asked sooner.
const MAX_PAUSES: usize = 4096;

/// Pauses of this process, each with the monotonic time until which it lasts.
#[derive(Debug)]
pub(in crate::manager) struct Pauses<K>(Mutex<HashMap<K, Duration>>);

impl<K> Default for Pauses<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Pauses<K> {
    pub(super) fn begin(&self, key: K, lasts: Duration, now: Duration) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.retain(|_, until| now < *until);
        if pauses.len() < MAX_PAUSES || pauses.contains_key(&key) {
            pauses.insert(key, now.saturating_add(lasts));
        }
    }

    /// Returns how much of a pause is left; zero if there is none.
    pub(super) fn left(&self, key: &K, now: Duration) -> Duration {
        let pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pauses.get(key).map_or(Duration::ZERO, |until| until.saturating_sub(now))
    }
}

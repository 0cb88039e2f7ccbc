//! Those who must forget a session when it changes.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::session::SecretDigest;
use crate::store::Digests;

/// A cache that must forget what it knows of a digest.
pub trait CacheInvalidation: Send + Sync + 'static {
    /// Forgets what it knows of these digests, and drops whatever was read before this call and
    /// arrives after it. Called in the task that made the change, before the change is reported;
    /// must not block.
    fn forget(&self, digests: &mut dyn Iterator<Item = SecretDigest>);
}

#[derive(Default)]
pub(super) struct Observers {
    caches: Mutex<Vec<Weak<dyn CacheInvalidation>>>,
}

impl Observers {
    pub(super) fn add(&self, cache: &Arc<impl CacheInvalidation>) {
        let weak = Arc::downgrade(cache);
        let cache: Weak<dyn CacheInvalidation> = weak;
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(cache);
    }

    pub(super) fn forget(&self, digests: &Digests) {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for cache in caches.iter().filter_map(Weak::upgrade) {
            cache.forget(&mut digests.iter());
        }
    }
}

//! The caches that must forget a session when it changes.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::session::SecretDigest;
use crate::store::Digests;

/// A cache of live sessions that can forget a digest.
pub trait CacheInvalidation: Send + Sync + 'static {
    /// Forgets what is known of these digests, and drops whatever was read before this call and
    /// arrives after it. Called in the task that made the change, before the change is reported;
    /// must not block.
    fn forget(&self, digests: &mut dyn Iterator<Item = SecretDigest>);
}

/// The registered caches.
#[derive(Default)]
pub(crate) struct CacheRegistry {
    caches: Mutex<Vec<Weak<dyn CacheInvalidation>>>,
}

impl CacheRegistry {
    pub(crate) fn register(&self, cache: &Arc<impl CacheInvalidation>) {
        let weak = Arc::downgrade(cache);
        let cache: Weak<dyn CacheInvalidation> = weak;
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(cache);
    }

    pub(in crate::manager) fn forget(&self, digests: &Digests) {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for cache in caches.iter().filter_map(Weak::upgrade) {
            cache.forget(&mut digests.iter());
        }
    }
}

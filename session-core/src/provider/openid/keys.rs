//! The keys that an issuer signs with, and how they are read anew when it rotates them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openidconnect::JsonWebKeySetUrl;
use openidconnect::core::CoreJsonWebKeySet;
use tokio::sync::Mutex;

use super::exchange::Exchange;
use super::http_client::HttpClient;
use crate::clock::Clock;

/// The shortest time between two fetches: a token with a made-up key id must not make us hammer
/// the issuer.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);

/// The issuer's keys.
pub(super) struct KeySet {
    url: JsonWebKeySetUrl,
    current: RwLock<Arc<CoreJsonWebKeySet>>,
    /// When the last fetch began, on the monotonic clock; held by the one who fetches.
    fetched_at: Mutex<Option<Duration>>,
}

impl KeySet {
    pub(super) fn new(url: JsonWebKeySetUrl, keys: CoreJsonWebKeySet) -> Self {
        Self { url, current: RwLock::new(Arc::new(keys)), fetched_at: Mutex::new(None) }
    }

    pub(super) fn current(&self) -> Arc<CoreJsonWebKeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Newer keys than these, if there are any to be had: somebody else's who just fetched, or
    /// fetched now unless that was done within the last minute.
    pub(super) async fn newer_than(
        &self,
        stale: &Arc<CoreJsonWebKeySet>,
        http: &dyn HttpClient,
        clock: &dyn Clock,
    ) -> Option<Arc<CoreJsonWebKeySet>> {
        let mut fetched_at = self.fetched_at.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, stale) {
            return Some(current);
        }
        let now = clock.monotonic();
        if fetched_at.is_some_and(|at| now.saturating_sub(at) < SHORTEST_INTERVAL) {
            return None;
        }
        *fetched_at = Some(now);
        let exchange = Exchange::public(http);
        let keys = CoreJsonWebKeySet::fetch_async(&self.url, &exchange).await.ok()?;
        let keys = Arc::new(keys);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        Some(keys)
    }
}

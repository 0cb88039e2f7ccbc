//! The keys of an issuer, fetched again when it rotates them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openidconnect::JsonWebKeySetUrl;
use openidconnect::core::CoreJsonWebKeySet;
use tokio::sync::Mutex;

use super::exchange::Exchange;
use super::http_client::HttpClient;
use crate::clock::Clock;

/// The minimum time between two fetches, so that tokens with invented key ids do not flood the
/// issuer with requests.
const MIN_INTERVAL: Duration = Duration::from_secs(60);

/// The issuer's keys.
pub(super) struct KeySet {
    url: JsonWebKeySetUrl,
    current: RwLock<Arc<CoreJsonWebKeySet>>,
    /// When the last fetch began, on the monotonic clock; locked during a fetch.
    fetched_at: Mutex<Option<Duration>>,
}

impl KeySet {
    pub(super) fn new(url: JsonWebKeySetUrl, keys: CoreJsonWebKeySet) -> Self {
        Self { url, current: RwLock::new(Arc::new(keys)), fetched_at: Mutex::new(None) }
    }

    pub(super) fn current(&self) -> Arc<CoreJsonWebKeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns newer keys than these: those that another task has just fetched, or else fetches them,
    /// unless that was done within the last minute.
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
        if fetched_at.is_some_and(|at| now.saturating_sub(at) < MIN_INTERVAL) {
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

//! The keys of an issuer, fetched at the first need and again when it rotates them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::Uri;
use openidconnect::JsonWebKeySet;
use openidconnect::core::CoreJsonWebKeySet;
use tokio::sync::Mutex;

use super::answer::Answer;
use super::transport::Transport;
use crate::provider::{ProviderError, ProviderErrorKind};

/// How long nothing is fetched after a fetch that brought no new key, so that tokens with invented
/// key ids do not flood the issuer with requests (B6). A new key leaves no pause: the issuer may
/// rotate twice.
const PAUSE: Duration = Duration::from_secs(10);

/// How long nothing is fetched after a fetch that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The issuer's keys.
pub(super) struct KeySet {
    url: Uri,
    current: RwLock<Arc<CoreJsonWebKeySet>>,
    /// Locked during a fetch, so that one fetch serves all that wait.
    pause: Mutex<FetchPause>,
}

/// The monotonic time before which nothing is fetched, and why.
#[derive(Default)]
struct FetchPause {
    until: Duration,
    has_failed: bool,
}

impl KeySet {
    pub(super) fn new(url: Uri) -> Self {
        let none = RwLock::new(Arc::new(JsonWebKeySet::default()));
        Self { url, current: none, pause: Mutex::default() }
    }

    pub(super) const fn url(&self) -> &Uri {
        &self.url
    }

    pub(super) fn current(&self) -> Arc<CoreJsonWebKeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns other keys than these: those that another task has just fetched, or else fetches
    /// them. `None` if there are none, or a fetch is not allowed yet.
    ///
    /// # Errors
    ///
    /// Returns the error of the provider if the keys cannot be fetched.
    pub(super) async fn newer_than(
        &self,
        stale: &Arc<CoreJsonWebKeySet>,
        transport: &Transport,
    ) -> Result<Option<Arc<CoreJsonWebKeySet>>, ProviderError> {
        let mut pause = self.pause.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, stale) {
            return Ok(Some(current));
        }
        match transport.clock.monotonic() < pause.until {
            true if pause.has_failed => return Err(just_failed()),
            true => return Ok(None),
            false => {}
        }
        let fetched: Result<CoreJsonWebKeySet, _> =
            transport.get(&self.url).await.and_then(Answer::into_document);
        let is_known = |key| current.keys().contains(key);
        let span = match &fetched {
            Err(_) => PAUSE_AFTER_FAILURE,
            Ok(keys) if keys.keys().iter().all(is_known) => PAUSE,
            Ok(_) => Duration::ZERO,
        };
        let until = transport.clock.monotonic() + span;
        *pause = FetchPause { until, has_failed: fetched.is_err() };
        let keys = Arc::new(fetched?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        Ok(Some(keys))
    }
}

fn just_failed() -> ProviderError {
    let error = ProviderError::new(ProviderErrorKind::Unavailable);
    error.caused_by("the keys could not be fetched a moment ago")
}

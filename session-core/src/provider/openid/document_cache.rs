//! A provider's configuration, fetched at the first need and again once it is old.

use std::future::Future;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use super::setting::SetupError;
use crate::clock::Clock;
use crate::provider::{ProviderError, ProviderErrorKind};

/// How long a document is used before it is fetched again.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long nothing is fetched after a fetch that failed: while there is no document, and while an
/// old one serves.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_WITH_DOCUMENT: Duration = Duration::from_secs(60);

/// The last document, as it was understood.
pub(super) struct DocumentCache<T> {
    known: RwLock<Option<Fetched<T>>>,
    /// The monotonic time before which nothing is fetched; locked during a fetch, so that one fetch
    /// serves all that wait.
    paused_until: Mutex<Duration>,
}

#[derive(Clone)]
struct Fetched<T> {
    document: T,
    /// On the monotonic clock.
    at: Duration,
}

impl<T> Default for DocumentCache<T> {
    fn default() -> Self {
        Self { known: RwLock::default(), paused_until: Mutex::default() }
    }
}

impl<T: Clone> DocumentCache<T> {
    /// Returns the document, and awaits `fetch` if there is none. While an old document is fetched
    /// again, and while that fails, it goes on serving.
    pub(super) async fn get(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, SetupError>>,
    ) -> Result<T, SetupError> {
        if let Some(known) = self.fetched() {
            if clock.monotonic().saturating_sub(known.at) < MAX_AGE {
                return Ok(known.document);
            }
            let paused_until = self.paused_until.try_lock().ok();
            let paused_until = paused_until.filter(|until| clock.monotonic() >= **until);
            let Some(paused_until) = paused_until else { return Ok(known.document) };
            let fetched = self.fetch(clock, fetch, paused_until, PAUSE_WITH_DOCUMENT);
            return Ok(fetched.await.unwrap_or(known.document));
        }
        let paused_until = self.paused_until.lock().await;
        match self.known() {
            Some(known) => Ok(known),
            None if clock.monotonic() < *paused_until => Err(just_failed()),
            None => self.fetch(clock, fetch, paused_until, PAUSE).await,
        }
    }

    async fn fetch(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, SetupError>>,
        mut paused_until: MutexGuard<'_, Duration>,
        pause: Duration,
    ) -> Result<T, SetupError> {
        let fetched = fetch.await;
        let at = clock.monotonic();
        let document = fetched.inspect_err(|_| *paused_until = at + pause)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Fetched { document: document.clone(), at });
        Ok(document)
    }

    /// Returns the document that was fetched last, however old.
    pub(super) fn known(&self) -> Option<T> {
        self.fetched().map(|known| known.document)
    }

    fn fetched(&self) -> Option<Fetched<T>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn just_failed() -> SetupError {
    let error = ProviderError::new(ProviderErrorKind::Unavailable).retry_after(Some(PAUSE));
    SetupError::Discovery(error.caused_by("discovery failed a moment ago"))
}

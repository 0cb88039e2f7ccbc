//! The discovery document, fetched at the first need and again once it is old.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use openidconnect::IssuerUrl;
use tokio::sync::{Mutex, MutexGuard};

use super::answer::Answer;
use super::keys::KeySet;
use super::metadata::{Document, Metadata};
use super::registration::Registration;
use super::setting::{InvalidSetting, SetupError};
use super::transport::Transport;
use crate::error_chain::ErrorChain;
use crate::provider::{ProviderError, ProviderErrorKind};

/// How long a document is used before it is fetched again.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long nothing is fetched after a fetch that failed: while there is no document, and while an
/// old one serves.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_WITH_DOCUMENT: Duration = Duration::from_secs(60);

/// The last document of a provider, and its keys.
#[derive(Default)]
pub(super) struct Discovery {
    known: RwLock<Option<Discovered>>,
    /// The monotonic time before which nothing is fetched; locked during a fetch, so that one fetch
    /// serves all that wait.
    paused_until: Mutex<Duration>,
}

/// A document and the keys that it points at.
#[derive(Clone)]
pub(super) struct Discovered {
    pub(super) metadata: Arc<Metadata>,
    pub(super) keys: Arc<KeySet>,
    /// On the monotonic clock.
    fetched_at: Duration,
}

impl Discovery {
    /// Returns the provider's metadata, and fetches it if there is none. While an old document is
    /// fetched again, and while that fails, it goes on serving.
    pub(super) async fn get(
        &self,
        registration: &Registration,
        transport: &Transport,
    ) -> Result<Discovered, SetupError> {
        let now = || transport.clock.monotonic();
        if let Some(known) = self.known() {
            if now().saturating_sub(known.fetched_at) < MAX_AGE {
                return Ok(known);
            }
            let paused_until = self.paused_until.try_lock().ok();
            let paused_until = paused_until.filter(|until| now() >= **until);
            let Some(paused_until) = paused_until else { return Ok(known) };
            let fetched = self.fetch(registration, transport, paused_until, PAUSE_WITH_DOCUMENT);
            return Ok(fetched.await.unwrap_or(known));
        }
        let paused_until = self.paused_until.lock().await;
        match self.known() {
            Some(known) => Ok(known),
            None if now() < *paused_until => Err(just_failed()),
            None => self.fetch(registration, transport, paused_until, PAUSE).await,
        }
    }

    async fn fetch(
        &self,
        registration: &Registration,
        transport: &Transport,
        mut paused_until: MutexGuard<'_, Duration>,
        pause: Duration,
    ) -> Result<Discovered, SetupError> {
        let metadata = metadata(registration, transport).await;
        let fetched_at = transport.clock.monotonic();
        let metadata = metadata.inspect_err(|error| {
            *paused_until = fetched_at + pause;
            tracing::warn!(error = %ErrorChain(&error), issuer = registration.issuer, "discovery of a provider failed");
        })?;
        let known = self.known().filter(|known| *known.keys.url() == metadata.endpoints.keys);
        let keys = known.map_or_else(
            || Arc::new(KeySet::new(metadata.endpoints.keys.clone())),
            |known| known.keys,
        );
        let discovered = Discovered { metadata: Arc::new(metadata), keys, fetched_at };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(discovered.clone());
        Ok(discovered)
    }

    fn known(&self) -> Option<Discovered> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn metadata(
    registration: &Registration,
    transport: &Transport,
) -> Result<Metadata, SetupError> {
    let invalid = || InvalidSetting::new("issuer", "is not a URL");
    let issuer = IssuerUrl::new(registration.issuer.clone()).map_err(|_| invalid())?;
    let address = issuer.join(".well-known/openid-configuration").map_err(|_| invalid())?;
    let address = address.as_str().parse().map_err(|_| invalid())?;
    let answer = transport.get(&address).await.map_err(SetupError::Discovery)?;
    let document: Document = Answer::into_document(answer).map_err(SetupError::Discovery)?;
    Ok(Metadata::new(&document, registration)?)
}

fn just_failed() -> SetupError {
    let error = ProviderError::new(ProviderErrorKind::Unavailable).retry_after(Some(PAUSE));
    SetupError::Discovery(error.caused_by("discovery failed a moment ago"))
}

//! The discovery document, fetched at the first need and again once it is old.

use std::sync::Arc;

use openidconnect::IssuerUrl;

use super::answer::Answer;
use super::document_cache::DocumentCache;
use super::keys::KeySet;
use super::metadata::{Document, Metadata};
use super::registration::Registration;
use super::setting::{InvalidSetting, SetupError};
use super::transport::Transport;
use crate::error_chain::ErrorChain;

/// The last document of a provider, and its keys.
#[derive(Default)]
pub(super) struct Discovery {
    documents: DocumentCache<Discovered>,
}

/// A document and the keys that it points at.
#[derive(Clone)]
pub(super) struct Discovered {
    pub(super) metadata: Arc<Metadata>,
    pub(super) keys: Arc<KeySet>,
}

impl Discovery {
    /// Returns the provider's metadata, and fetches it if there is none. While an old document is
    /// fetched again, and while that fails, it goes on serving.
    pub(super) async fn get(
        &self,
        registration: &Registration,
        transport: &Transport,
    ) -> Result<Discovered, SetupError> {
        let fetched = self.fetch(registration, transport);
        self.documents.get(&*transport.clock, fetched).await
    }

    async fn fetch(
        &self,
        registration: &Registration,
        transport: &Transport,
    ) -> Result<Discovered, SetupError> {
        let metadata = metadata(registration, transport).await.inspect_err(|error| {
            tracing::warn!(error = %ErrorChain(&error), issuer = registration.issuer, "discovery of a provider failed");
        })?;
        let known = self.documents.known();
        let known = known.filter(|known| *known.keys.url() == metadata.endpoints.keys);
        let keys = known.map_or_else(
            || Arc::new(KeySet::new(metadata.endpoints.keys.clone())),
            |known| known.keys,
        );
        Ok(Discovered { metadata: Arc::new(metadata), keys })
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

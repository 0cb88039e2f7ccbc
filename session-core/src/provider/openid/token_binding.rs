//! Whether tokens are bound to a key (DPoP, RFC 9449), and requests for such tokens.

use std::sync::Arc;

use super::http_client::HttpClient;
#[cfg(feature = "dpop")]
use super::proving_client::ProvingClient;
use super::transport::Transport;
#[cfg(feature = "dpop")]
use crate::dpop::DpopNonces;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::token::{DpopKey, TokenResponse};

/// What a provider is asked for at a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum BindingPolicy {
    /// Bearer tokens.
    #[default]
    Unbound,
    /// Tokens that are bound to a key, or else bearer tokens.
    #[cfg(feature = "dpop")]
    Preferred,
    /// Tokens that are bound to a key.
    #[cfg(feature = "dpop")]
    Required,
}

/// How one provider's tokens are bound.
#[derive(Default)]
pub(super) struct TokenBinding {
    pub(super) policy: BindingPolicy,
    #[cfg(feature = "dpop")]
    nonces: Arc<DpopNonces>,
}

impl TokenBinding {
    /// Returns the key of a new sign-in.
    pub(super) fn new_key(&self) -> Result<Option<DpopKey>, ProviderError> {
        match self.policy {
            BindingPolicy::Unbound => Ok(None),
            #[cfg(feature = "dpop")]
            BindingPolicy::Preferred | BindingPolicy::Required => {
                DpopKey::generate().map(Some).map_err(|error| {
                    ProviderError::new(ProviderErrorKind::Unavailable).caused_by(error)
                })
            }
        }
    }

    /// Returns the client for a request to the token endpoint, which proves the possession of this
    /// key.
    pub(super) fn client(
        &self,
        transport: &Transport,
        key: Option<&DpopKey>,
    ) -> Result<Arc<dyn HttpClient>, ProviderError> {
        let http = Arc::clone(&transport.http);
        match key {
            None => Ok(http),
            #[cfg(feature = "dpop")]
            Some(key) => {
                let (clock, nonces) = (Arc::clone(&transport.clock), Arc::clone(&self.nonces));
                Ok(Arc::new(ProvingClient::new(http, clock, key.clone(), nonces)))
            }
            // A refresh token without a proof would be refused, and the session would end.
            #[cfg(not(feature = "dpop"))]
            Some(_) => {
                Err(ProviderError::new(ProviderErrorKind::Unsupported).caused_by(FeatureOff))
            }
        }
    }

    /// Checks that the tokens of a response are bound to a key if they must be. A provider that does
    /// not know DPoP ignores the proof (RFC 9449, section 5).
    #[cfg(feature = "dpop")]
    pub(super) fn check(&self, response: &TokenResponse) -> Result<(), ProviderError> {
        let is_required = self.policy == BindingPolicy::Required && response.dpop_key.is_some();
        match is_required && !response.is_bound() {
            true => Err(ProviderError::new(ProviderErrorKind::Malformed).caused_by(NotBound)),
            false => Ok(()),
        }
    }

    #[cfg(not(feature = "dpop"))]
    pub(super) const fn check(&self, _: &TokenResponse) -> Result<(), ProviderError> {
        Ok(())
    }
}

#[cfg(feature = "dpop")]
#[derive(Debug, thiserror::Error)]
#[error(
    "the provider has issued a token that is not bound to a key: let it support DPoP for this client, \
     or accept such tokens by `OpenIdBuilder::prefer_dpop`"
)]
struct NotBound;

#[cfg(not(feature = "dpop"))]
#[derive(Debug, thiserror::Error)]
#[error("the session's tokens are bound to a key: build session-core with the feature `dpop`")]
struct FeatureOff;

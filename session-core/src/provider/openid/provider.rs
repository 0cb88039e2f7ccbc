//! The provider: renews and revokes tokens for the session manager.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::Uri;
use openidconnect::core::{CoreClient, CoreRevocableToken};
use openidconnect::{
    EndSessionUrl, EndpointNotSet, EndpointSet, RefreshToken, RevocationUrl, Scope,
};
use secrecy::{ExposeSecret, SecretString};

use super::exchange::Exchange;
use super::http_client::HttpClient;
use super::id_token::{self, IdTokenCheck};
use super::keys::KeySet;
use crate::clock::Clock;
use crate::provider::{Provider, ProviderError, ProviderErrorKind, RevocationScope};
use crate::token::{TokenResponse, TokenSet};

pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

/// A client registration at an OpenID Connect provider.
///
/// As a [`Provider`] it renews tokens (RFC 6749, section 6) and revokes them (RFC 7009). Only a 4xx
/// response with the JSON error `invalid_grant` ends a session; every other error says what failed,
/// and how long the provider asks to wait.
///
/// # Security
///
/// Refresh tokens and the client's secret are sent only to the endpoints in the issuer's discovery
/// document, over https (http on loopback). No error, log or `Debug` contains one. The HTTP client
/// must not follow redirects: see [`HttpClient`].
pub struct OpenIdProvider {
    pub(super) issuer: String,
    /// Whether the issuer names itself in the authorization response (RFC 9207).
    pub(super) sends_iss: bool,
    pub(super) client: Client,
    pub(super) endpoints: Endpoints,
    pub(super) id_token: IdTokenCheck,
    pub(super) keys: KeySet,
    pub(super) scope_at_renewal: Vec<Scope>,
    pub(super) revocation_scope: RevocationScope,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) http: Arc<dyn HttpClient>,
}

/// The endpoints of the issuer.
pub(super) struct Endpoints {
    pub(super) token: Uri,
    pub(super) revocation: Option<Uri>,
    pub(super) end_session: Option<EndSessionUrl>,
}

impl fmt::Debug for OpenIdProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdProvider")
            .field("issuer", &self.issuer)
            .field("client_id", self.client.client_id())
            .finish_non_exhaustive()
    }
}

impl OpenIdProvider {
    /// Returns the issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

#[async_trait]
impl Provider for OpenIdProvider {
    async fn renew(&self, tokens: &TokenSet) -> Result<TokenResponse, ProviderError> {
        let token = tokens.refresh_token().ok_or(ProviderErrorKind::Unsupported);
        let token = RefreshToken::new(token.map_err(ProviderError::new)?.to_owned());
        let exchange = Exchange::with(&*self.http, &self.endpoints.token);
        let request = self.client.exchange_refresh_token(&token);
        let request = request.add_scopes(self.scope_at_renewal.iter().cloned());
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        let response = exchange.into_answer()?.into_token_response()?;
        let renewed = response.id_token.as_ref().map(SecretString::expose_secret);
        if let (Some(before), Some(after)) = (tokens.id_token(), renewed)
            && id_token::is_about_another_user(before, after)
        {
            return Err(ProviderError::new(ProviderErrorKind::Malformed).caused_by(AnotherUser));
        }
        Ok(response)
    }

    async fn revoke(&self, refresh_token: &SecretString) -> Result<(), ProviderError> {
        let unsupported = || ProviderError::new(ProviderErrorKind::Unsupported);
        let endpoint = self.endpoints.revocation.as_ref().ok_or_else(unsupported)?;
        let token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let client = self.client.clone().set_revocation_url(placeholder_url()?);
        let request = client.revoke_token(CoreRevocableToken::from(token));
        let request = request.map_err(|_| ProviderError::new(ProviderErrorKind::Misconfigured))?;
        let exchange = Exchange::with(&*self.http, endpoint);
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        exchange.into_answer()?.into_revocation()
    }

    fn revocation_scope(&self) -> RevocationScope {
        self.revocation_scope
    }
}

/// Returns a placeholder: the openidconnect crate refuses to revoke at an http address, even on
/// loopback. The exchange sends the request to the endpoint that was checked at set-up.
fn placeholder_url() -> Result<RevocationUrl, ProviderError> {
    RevocationUrl::new("https://localhost/".to_owned())
        .map_err(|_| ProviderError::new(ProviderErrorKind::Misconfigured))
}

/// A renewal returned the tokens of another user.
#[derive(Debug, thiserror::Error)]
#[error("the renewed ID token is about another user")]
struct AnotherUser;

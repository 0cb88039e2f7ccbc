//! A provider for OpenID Connect, built on the openidconnect crate (feature `openid`).
//!
//! [`OpenIdProvider`] renews and revokes tokens for the session manager, and signs users in for
//! the application. The application brings the HTTP client, so that no TLS stack is chosen here.
//!
//! ```no_run
//! # async fn example(
//! #     http: impl session_core::provider::openid::HttpClient,
//! #     query: &str,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use session_core::provider::openid::{Callback, OpenIdProvider};
//!
//! let secret = "the client's secret".to_owned().into();
//! let provider =
//!     OpenIdProvider::discover("https://id.example", "my-app", Some(secret), http).await?;
//!
//! // At the login route: send the browser to `url`, keep `pending` in a short-lived cookie.
//! let request = provider.authorization_request(
//!     "https://app.example/callback",
//!     &["profile", "offline_access"],
//!     None,
//! )?;
//!
//! // At the callback route: remove the cookie, whatever the outcome.
//! let outcome = provider.complete(request.pending, Callback::from_query(query)).await?;
//! assert!(outcome.identity.subject.is_some());
//! # Ok(())
//! # }
//! ```

mod answer;
mod builder;
mod exchange;
mod http_client;
mod id_token;
mod keys;
mod pending;
mod retry_after;
mod setting;
mod sign_in;
mod sign_in_error;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::Uri;
use openidconnect::core::{CoreClient, CoreRevocableToken};
use openidconnect::{
    EndSessionUrl, EndpointNotSet, EndpointSet, RefreshToken, RevocationUrl, Scope,
};
use secrecy::{ExposeSecret, SecretString};

use super::{Provider, ProviderError, ProviderErrorKind, RevocationScope};
use crate::clock::Clock;
use crate::token::{TokenResponse, TokenSet};
use exchange::Exchange;
use id_token::IdTokenCheck;
use keys::KeySet;

pub use builder::{ClientAuthentication, OpenIdBuilder};
pub use http_client::{HttpAnswer, HttpClient};
pub use id_token::SignInClaims;
pub use pending::{AuthorizationRequest, Callback, PendingSignIn};
pub use setting::{InvalidSetting, SetupError};
pub use sign_in::SignInOutcome;
pub use sign_in_error::{SignInError, SignInErrorKind};

type Client = CoreClient<
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
    issuer: String,
    /// Whether the issuer names itself in the authorization response (RFC 9207).
    sends_iss: bool,
    client: Client,
    endpoints: Endpoints,
    id_token: IdTokenCheck,
    keys: KeySet,
    scope_at_renewal: Vec<Scope>,
    revocation_scope: RevocationScope,
    clock: Arc<dyn Clock>,
    http: Arc<dyn HttpClient>,
}

/// The endpoints of the issuer.
struct Endpoints {
    token: Uri,
    revocation: Option<Uri>,
    end_session: Option<EndSessionUrl>,
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
    /// Returns a builder for the client `client_id` of the provider with this issuer identifier.
    pub fn builder(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        http: impl HttpClient,
    ) -> OpenIdBuilder {
        OpenIdBuilder::new(issuer.into(), client_id.into(), Arc::new(http))
    }

    /// Creates the provider from its discovery document, with default settings.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] in the cases of [`OpenIdBuilder::discover`].
    pub async fn discover(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: Option<SecretString>,
        http: impl HttpClient,
    ) -> Result<Self, SetupError> {
        let builder = Self::builder(issuer, client_id, http);
        match client_secret {
            Some(secret) => builder.with_client_secret(secret).discover().await,
            None => builder.discover().await,
        }
    }

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

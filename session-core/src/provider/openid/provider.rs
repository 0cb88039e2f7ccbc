//! The provider: renews and revokes tokens for the session manager.

use std::fmt;

use async_trait::async_trait;
use openidconnect::core::CoreRevocableToken;
use openidconnect::{AccessToken, RefreshToken, RevocationUrl, Scope};
use secrecy::{ExposeSecret, SecretString};

use super::discovery::{Discovered, Discovery};
use super::exchange::Exchange;
use super::id_token;
use super::metadata::{Endpoints, Metadata};
use super::registration::Registration;
use super::setting::SetupError;
use super::token_binding::TokenBinding;
use super::token_exchange::exchange_token;
use super::transport::Transport;
use crate::error_chain::ErrorChain;
use crate::provider::{Provider, ProviderError, ProviderErrorKind, ResourceGrant, RevocationScope};
use crate::token::{Resource, TokenResponse, TokenSet};

/// A client registration at an OpenID Connect provider.
///
/// As a [`Provider`] it renews tokens (RFC 6749, section 6) and revokes them (RFC 7009). Only a 4xx
/// response with the JSON error `invalid_grant` ends a session; every other error says what failed,
/// and how long the provider asks to wait.
///
/// # Security
///
/// Refresh tokens and the client's secret are sent only to the endpoints in the issuer's discovery
/// document or to those that the application has set, over https (http on loopback only where the
/// builder allows it). A response of more than a mebibyte is not read. No error, log or `Debug`
/// contains a secret. The HTTP client must not follow redirects: see
/// [`HttpClient`](super::HttpClient).
pub struct OpenIdProvider {
    pub(super) registration: Registration,
    pub(super) transport: Transport,
    pub(super) discovery: Discovery,
    pub(super) binding: TokenBinding,
}

impl OpenIdProvider {
    /// Returns the issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.registration.issuer
    }

    /// Fetches the discovery document and the keys, unless they are there.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] with the name of the field of the document that is invalid (an address
    /// without https, a different issuer than the requested one), or if the document or the keys
    /// cannot be fetched.
    pub async fn discover(&self) -> Result<(), SetupError> {
        let Discovered { keys, .. } = self.discovered().await?;
        let none = keys.current();
        if none.keys().is_empty() {
            let fetched = keys.newer_than(&none, &self.transport).await;
            fetched.map_err(SetupError::Discovery)?;
        }
        Ok(())
    }

    /// Returns the addresses of the provider, for instance to ask for the claims about a user.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] if the discovery document is invalid or cannot be fetched.
    pub async fn endpoints(&self) -> Result<Endpoints, SetupError> {
        Ok(self.discovered().await?.metadata.endpoints.clone())
    }

    pub(super) async fn discovered(&self) -> Result<Discovered, SetupError> {
        self.discovery.get(&self.registration, &self.transport).await
    }

    async fn ask_to_revoke(
        &self,
        metadata: &Metadata,
        token: CoreRevocableToken,
    ) -> Result<(), ProviderError> {
        let unsupported = || ProviderError::new(ProviderErrorKind::Unsupported);
        let endpoint = metadata.endpoints.revocation.as_ref().ok_or_else(unsupported)?;
        let client = metadata.client.clone().set_revocation_url(placeholder_url()?);
        let request = client.revoke_token(token);
        let request = request.map_err(|_| ProviderError::new(ProviderErrorKind::Misconfigured))?;
        let exchange = Exchange::with(&*self.transport.http, endpoint);
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        exchange.into_answer()?.into_revocation()
    }

    /// Sends the refresh token for new tokens, for a resource or for whatever the sign-in was for.
    async fn refresh(
        &self,
        tokens: &TokenSet,
        scopes: impl Iterator<Item = Scope> + Send,
        resource: Option<&str>,
    ) -> Result<TokenResponse, ProviderError> {
        let token = tokens.refresh_token().ok_or(ProviderErrorKind::Unsupported);
        let token = RefreshToken::new(token.map_err(ProviderError::new)?.to_owned());
        let Discovered { metadata, .. } = self.discovered().await?;
        let key = tokens.refresh_key();
        let http = self.binding.client(&self.transport, key)?;
        let exchange = Exchange::with(&*http, &metadata.endpoints.token);
        let request = metadata.client.exchange_refresh_token(&token);
        let scopes: Vec<Scope> = scopes.collect();
        let asked = scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
        let mut request = request.add_scopes(scopes);
        if let Some(resource) = resource {
            request = request.add_extra_param("resource", resource.to_owned());
        }
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        let response = exchange.into_answer()?.into_token_response()?.proven_by(key.cloned());
        let response =
            response.with_scope_if_unnamed(asked).with_type_if_unnamed(tokens.bound_type());
        self.check_binding(&metadata, &response, Some(tokens)).await?;
        let renewed = response.id_token.as_ref().map(SecretString::expose_secret);
        if let (Some(before), Some(after)) = (tokens.id_token(), renewed)
            && id_token::is_about_another_user(before, after)
        {
            self.revoke_unused(&metadata, &response, Some(tokens)).await;
            return Err(ProviderError::new(ProviderErrorKind::Malformed).caused_by(AnotherUser));
        }
        Ok(response)
    }

    /// Checks that tokens are bound to a key if they must be. Others are given back, like those of
    /// [`revoke_unused`](Self::revoke_unused).
    pub(super) async fn check_binding(
        &self,
        metadata: &Metadata,
        response: &TokenResponse,
        sent: Option<&TokenSet>,
    ) -> Result<(), ProviderError> {
        let checked = self.binding.check(response);
        if checked.is_err() {
            self.revoke_unused(metadata, response, sent).await;
        }
        checked
    }

    /// Revokes the refresh token of a sign-in that does not lead to a session, for instance because the
    /// application does not know the user.
    ///
    /// Does nothing where the provider may revoke more than this one token: that would sign the user
    /// out on every device (F38). The tokens then live on at the provider, and no one has them. A
    /// failure is logged.
    pub async fn give_back(&self, tokens: &TokenResponse) {
        match self.discovered().await {
            Ok(Discovered { metadata, .. }) => self.revoke_unused(&metadata, tokens, None).await,
            Err(error) => not_given_back(&error),
        }
    }

    /// Revokes tokens that no session may hold, like [`give_back`](Self::give_back); but not a refresh
    /// token that was sent and comes back, which the session holds still.
    pub(super) async fn revoke_unused(
        &self,
        metadata: &Metadata,
        response: &TokenResponse,
        sent: Option<&TokenSet>,
    ) {
        let revokes_one = self.registration.revocation_scope == RevocationScope::Token;
        let is_sent = |token: &SecretString| {
            sent.is_some_and(|sent| sent.is_refresh_token(token.expose_secret()))
        };
        let token = response.refresh_token.as_ref();
        let token = token.filter(|token| revokes_one && !is_sent(token));
        let Some(token) = token else { return };
        let revoked = self.transport.bounded(self.ask_to_revoke(metadata, refresh(token))).await;
        if let Err(error) = revoked {
            not_given_back(&error);
        }
    }
}

fn not_given_back(error: &(dyn std::error::Error + 'static)) {
    let error = ErrorChain(error);
    tracing::warn!(%error, "a refresh token that no session holds was not revoked");
}

#[async_trait]
impl Provider for OpenIdProvider {
    async fn renew(&self, tokens: &TokenSet) -> Result<TokenResponse, ProviderError> {
        let scopes = self.registration.scope_at_renewal.iter().cloned();
        self.refresh(tokens, scopes, None).await
    }

    async fn renew_for(
        &self,
        tokens: &TokenSet,
        resource: &Resource,
    ) -> Result<TokenResponse, ProviderError> {
        if let Some(target) = self.registration.token_exchange {
            let Discovered { metadata, .. } = self.discovered().await?;
            let key = tokens.dpop_key();
            let http = self.binding.client(&self.transport, key)?;
            let exchanged = exchange_token(&*http, &metadata, tokens, (resource, target)).await?;
            let response =
                exchanged.proven_by(key.cloned()).with_type_if_unnamed(tokens.bound_type());
            self.check_binding(&metadata, &response, Some(tokens)).await?;
            return Ok(response);
        }
        let scopes = resource.scope().unwrap_or_default().split_ascii_whitespace();
        let scopes = scopes.map(|scope| Scope::new(scope.to_owned()));
        self.refresh(tokens, scopes, Some(resource.address())).await
    }

    fn resource_grant(&self) -> ResourceGrant {
        match self.registration.token_exchange {
            Some(_) => ResourceGrant::AccessToken,
            None => ResourceGrant::RefreshToken,
        }
    }

    async fn revoke(&self, refresh_token: &SecretString) -> Result<(), ProviderError> {
        let Discovered { metadata, .. } = self.discovered().await?;
        self.ask_to_revoke(&metadata, refresh(refresh_token)).await
    }

    async fn revoke_access_token(&self, access_token: &SecretString) -> Result<(), ProviderError> {
        let Discovered { metadata, .. } = self.discovered().await?;
        let token = AccessToken::new(access_token.expose_secret().to_owned());
        self.ask_to_revoke(&metadata, token.into()).await
    }

    fn revocation_scope(&self) -> RevocationScope {
        self.registration.revocation_scope
    }
}

fn refresh(token: &SecretString) -> CoreRevocableToken {
    RefreshToken::new(token.expose_secret().to_owned()).into()
}

/// Returns a placeholder: the openidconnect crate refuses to revoke at an http address, even on
/// loopback. The exchange sends the request to the endpoint that was checked before.
fn placeholder_url() -> Result<RevocationUrl, ProviderError> {
    RevocationUrl::new("https://localhost/".to_owned())
        .map_err(|_| ProviderError::new(ProviderErrorKind::Misconfigured))
}

/// A renewal returned the tokens of another user.
#[derive(Debug, thiserror::Error)]
#[error("the renewed ID token is about another user")]
struct AnotherUser;

impl fmt::Debug for OpenIdProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdProvider")
            .field("issuer", &self.registration.issuer)
            .field("client_id", &self.registration.client_id)
            .finish_non_exhaustive()
    }
}

//! The client at an authorization server: its requests with secrets.

use std::borrow::Cow;

use oauth2::basic::BasicClient;
use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RevocationUrl, Scope, StandardRevocableToken, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};

use super::registration::RegisteredClient;
use super::server_metadata::AuthorizationServerMetadata;
use crate::provider::openid::exchange::Exchange;
use crate::provider::openid::setting::InvalidSetting;
use crate::provider::openid::transport::Transport;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::token::TokenResponse;

/// The client as the oauth2 crate knows it. Revocation at http on loopback is refused by the crate, so
/// its address is a placeholder: the exchange sends to the endpoint that was checked.
type OAuthClient =
    BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet>;

/// An authorization server and the application as its client.
pub(super) struct AuthorizedClient {
    pub(super) metadata: AuthorizationServerMetadata,
    client: OAuthClient,
}

/// The address for the browser, and what its callback is checked with.
pub(super) struct AuthorizationAddress {
    pub(super) url: String,
    pub(super) state: SecretString,
    pub(super) verifier: SecretString,
}

impl AuthorizedClient {
    pub(super) fn new(
        metadata: AuthorizationServerMetadata,
        registered: &RegisteredClient,
    ) -> Result<Self, InvalidSetting> {
        registered.check()?;
        let auth_type: AuthType =
            registered.auth_type(metadata.token_endpoint_auth_methods_supported.as_deref())?;
        let invalid = |field| move |_| InvalidSetting::new(field, "is not a URL");
        let authorization = AuthUrl::new(metadata.authorization_endpoint.to_string());
        let token = TokenUrl::new(metadata.token_endpoint.to_string());
        let placeholder = RevocationUrl::new("https://localhost/".to_owned());
        let client = BasicClient::new(ClientId::new(registered.id.clone()))
            .set_auth_uri(authorization.map_err(invalid("authorization_endpoint"))?)
            .set_token_uri(token.map_err(invalid("token_endpoint"))?)
            .set_revocation_url(placeholder.map_err(invalid("revocation_endpoint"))?)
            .set_auth_type(auth_type);
        let client = match &registered.secret {
            Some(secret) => {
                client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
            }
            None => client,
        };
        Ok(Self { metadata, client })
    }

    /// Returns the address of an authorization request with PKCE, for this resource (RFC 8707, section
    /// 2.1).
    pub(super) fn authorization_address(
        &self,
        redirect_uri: &str,
        resource: &str,
        scope: &str,
    ) -> Result<AuthorizationAddress, InvalidSetting> {
        let redirect_url = redirect_url(redirect_uri)?;
        let scopes = scope.split_ascii_whitespace().map(|scope| Scope::new(scope.to_owned()));
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state) = self
            .client
            .authorize_url(|| CsrfToken::new_random_len(32))
            .add_scopes(scopes)
            .add_extra_param("resource", resource.to_owned())
            .set_redirect_uri(Cow::Owned(redirect_url))
            .set_pkce_challenge(challenge)
            .url();
        Ok(AuthorizationAddress {
            url: url.into(),
            state: SecretString::from(state.into_secret()),
            verifier: SecretString::from(verifier.into_secret()),
        })
    }

    pub(super) async fn exchange_code(
        &self,
        transport: &Transport,
        code: &SecretString,
        verifier: &SecretString,
        redirect_uri: &str,
        resource: &str,
    ) -> Result<TokenResponse, ProviderError> {
        // The record may come from a modified cookie.
        let redirect_url = redirect_url(redirect_uri).map_err(|error| {
            ProviderError::new(ProviderErrorKind::Misconfigured).caused_by(error)
        })?;
        let exchange = Exchange::with(&*transport.http, &self.metadata.token_endpoint);
        let code = AuthorizationCode::new(code.expose_secret().to_owned());
        let request = self
            .client
            .exchange_code(code)
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .set_redirect_uri(Cow::Owned(redirect_url))
            .add_extra_param("resource", resource.to_owned());
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        exchange.into_answer()?.into_token_response()
    }

    pub(super) async fn refresh(
        &self,
        transport: &Transport,
        refresh_token: &str,
        resource: &str,
    ) -> Result<TokenResponse, ProviderError> {
        let token = RefreshToken::new(refresh_token.to_owned());
        let exchange = Exchange::with(&*transport.http, &self.metadata.token_endpoint);
        let request = self.client.exchange_refresh_token(&token);
        let request = request.add_extra_param("resource", resource.to_owned());
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        exchange.into_answer()?.into_token_response()
    }

    pub(super) async fn revoke(
        &self,
        transport: &Transport,
        token: StandardRevocableToken,
    ) -> Result<(), ProviderError> {
        let unsupported = || ProviderError::new(ProviderErrorKind::Unsupported);
        let endpoint = self.metadata.revocation_endpoint.as_ref().ok_or_else(unsupported)?;
        let request = self.client.revoke_token(token);
        let request = request.map_err(|_| ProviderError::new(ProviderErrorKind::Misconfigured))?;
        let exchange = Exchange::with(&*transport.http, endpoint);
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        exchange.into_answer()?.into_revocation()
    }
}

/// Returns a refresh token to revoke.
pub(super) fn revocable_refresh_token(token: &SecretString) -> StandardRevocableToken {
    RefreshToken::new(token.expose_secret().to_owned()).into()
}

/// Returns an access token to revoke.
pub(super) fn revocable_access_token(token: &SecretString) -> StandardRevocableToken {
    AccessToken::new(token.expose_secret().to_owned()).into()
}

fn redirect_url(redirect_uri: &str) -> Result<RedirectUrl, InvalidSetting> {
    RedirectUrl::new(redirect_uri.to_owned())
        .map_err(|_| InvalidSetting::new("redirect_uri", "is not a URL"))
}

//! Access tokens for further resources by token exchange (RFC 8693).

use openidconnect::Scope;

use super::exchange::Exchange;
use super::http_client::HttpClient;
use super::metadata::Metadata;
use super::registration::ExchangeTarget;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::token::{Resource, TokenResponse, TokenSet};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Exchanges the access token for one of a further resource.
pub(super) async fn exchange_token(
    http: &dyn HttpClient,
    metadata: &Metadata,
    tokens: &TokenSet,
    (resource, target): (&Resource, ExchangeTarget),
) -> Result<TokenResponse, ProviderError> {
    let exchange = Exchange::with(http, &metadata.endpoints.token);
    let exchange = exchange.of_grant_type(GRANT_TYPE);
    let scopes = resource.scope().unwrap_or_default().split_ascii_whitespace();
    // The crate knows no token exchange: of its requests this one brings nothing but the client's
    // authentication.
    let request = metadata
        .client
        .exchange_client_credentials()
        .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())))
        .add_extra_param("subject_token", tokens.access_token())
        .add_extra_param("subject_token_type", ACCESS_TOKEN)
        .add_extra_param("requested_token_type", ACCESS_TOKEN)
        .add_extra_param(target.parameter(), resource.address());
    // The exchange keeps the response.
    let _ = request.request_async(&exchange).await;
    of_resource(exchange.into_answer()?.into_token_response()?)
}

/// Checks that an access token was issued, and leaves out what is not the session's: a refresh token
/// of the exchange would take the place of the session's own.
fn of_resource(response: TokenResponse) -> Result<TokenResponse, ProviderError> {
    let issued = response.extra.get("issued_token_type").and_then(|issued| issued.as_str());
    let is_access_token = issued.is_none_or(|issued| [ACCESS_TOKEN, JWT].contains(&issued));
    let has_no_use = response.token_type.as_ref().is_some_and(|of| of.eq_ignore_ascii_case("n_a"));
    match is_access_token && !has_no_use {
        true => Ok(response.without_grant()),
        false => Err(ProviderError::new(ProviderErrorKind::Malformed).caused_by(NoAccessToken)),
    }
}

/// The response of a token exchange has another kind of token.
#[derive(Debug, thiserror::Error)]
#[error("the exchanged token is no access token")]
struct NoAccessToken;

//! The revocation endpoint.

use axum::extract::rejection::RawFormRejection;
use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use openidconnect::core::CoreErrorResponseType;

use crate::client_authentication::authenticate;
use crate::error_response::{ErrorResponse, NO_STORE};
use crate::fault::Endpoint;
use crate::fault_injection::respond_with_faults;
use crate::ledger::Revoked;
use crate::params::Params;
use crate::provider::Provider;

/// `POST /revoke` (RFC 7009). An unknown token is a success.
pub(crate) async fn revoke(
    State(provider): State<Provider>,
    headers: HeaderMap,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    provider.ledger().count(|stats| stats.revocation_requests += 1);
    let Ok(RawForm(encoded)) = form else {
        return ErrorResponse::invalid_request("the request is not a form").into_response();
    };
    let params = Params::parse(&encoded);
    respond_with_faults(provider, &[Endpoint::Revocation], move |provider| {
        answer(provider, &headers, &params).unwrap_or_else(IntoResponse::into_response)
    })
    .await
}

fn answer(
    provider: &Provider,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Response, ErrorResponse> {
    if params.has_repetition() {
        return Err(ErrorResponse::invalid_request("a parameter is repeated"));
    }
    let client = authenticate(provider, headers, params)?;
    let token =
        params.value("token").ok_or_else(|| ErrorResponse::invalid_request("token is missing"))?;
    // The hint is not needed: one lookup finds a token of either kind.
    match provider.ledger().revoke(token, &client.id) {
        Revoked::Done | Revoked::Unknown => Ok((StatusCode::OK, NO_STORE).into_response()),
        Revoked::AnotherClients => Err(ErrorResponse::new(
            CoreErrorResponseType::UnauthorizedClient,
            "the token was issued to another client",
        )),
    }
}

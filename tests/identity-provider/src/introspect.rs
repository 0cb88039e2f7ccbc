//! The introspection endpoint, by which a resource server checks a token.

use axum::Json;
use axum::extract::rejection::RawFormRejection;
use axum::extract::{RawForm, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::client_authentication::authenticate;
use crate::error_response::{ErrorResponse, NO_STORE};
use crate::params::Params;
use crate::provider::Provider;

/// `POST /introspect` (RFC 7662), for every registered client: a resource server is one.
pub(crate) async fn introspect(
    State(provider): State<Provider>,
    headers: HeaderMap,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    let Ok(RawForm(encoded)) = form else {
        return ErrorResponse::invalid_request("the request is not a form").into_response();
    };
    let params = Params::parse(&encoded);
    match answer(&provider, &headers, &params) {
        Ok(claims) => (NO_STORE, Json(claims)).into_response(),
        Err(error) => error.into_response(),
    }
}

fn answer(
    provider: &Provider,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Value, ErrorResponse> {
    authenticate(provider, headers, params)?;
    let token = params.value("token");
    let token = token.ok_or_else(|| ErrorResponse::invalid_request("token is missing"))?;
    let found = provider.ledger().introspect(token, provider.clock.now());
    Ok(match found {
        None => json!({ "active": false }),
        Some((login, audience, expires_at)) => json!({
            "active": true,
            "aud": audience,
            "client_id": login.client_id,
            "exp": expires_at / 1000,
            "iss": provider.issuer().as_str(),
            "scope": login.scope.join(" "),
            "sub": login.user.subject,
        }),
    })
}

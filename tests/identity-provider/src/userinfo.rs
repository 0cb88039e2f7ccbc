//! The userinfo endpoint.

use axum::Json;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use openidconnect::UserInfoClaims;
use openidconnect::core::CoreGenderClaim;
use serde_json::json;

use crate::fault::Endpoint;
use crate::fault_injection::respond_with_faults;
use crate::id_token::{SessionClaims, standard_claims};
use crate::ledger::Login;
use crate::provider::Provider;

/// `GET` and `POST /userinfo`: the protected resource (OpenID Connect Core, 5.3).
///
/// Returns all claims whatever the scope, so that a test sees whose token it sent.
pub(crate) async fn userinfo(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    provider.ledger().count(|stats| stats.userinfo_requests += 1);
    respond_with_faults(provider, &[Endpoint::UserInfo], move |provider| answer(provider, &headers))
        .await
}

fn answer(provider: &Provider, headers: &HeaderMap) -> Response {
    let Some(token) = bearer_token(headers) else {
        // No error code without a token (RFC 6750, 3.1).
        return unauthorized("Bearer realm=\"identity-provider\"", "missing_token");
    };
    let now = provider.clock.now();
    match provider.ledger().login_of(token, now) {
        Some(login) => claims(login).into_response(),
        None => unauthorized("Bearer error=\"invalid_token\"", "invalid_token"),
    }
}

fn claims(login: &Login) -> impl IntoResponse + use<> {
    let session = SessionClaims { sid: login.sid.clone() };
    let claims = UserInfoClaims::<SessionClaims, CoreGenderClaim>::new(
        standard_claims(&login.user),
        session,
    );
    ([(CACHE_CONTROL, "no-store")], Json(claims))
}

fn unauthorized(challenge: &'static str, error: &str) -> Response {
    let headers = [(WWW_AUTHENTICATE, challenge), (CACHE_CONTROL, "no-store")];
    (StatusCode::UNAUTHORIZED, headers, Json(json!({ "error": error }))).into_response()
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

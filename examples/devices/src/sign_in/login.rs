//! `GET /login`: redirects to the provider.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use session_core::provider::openid::{AuthorizationOptions, SetupError};

use crate::error_response::ErrorResponse;
use crate::state::AppState;

/// The scopes that are requested besides `openid`.
const SCOPES: &str = "profile email offline_access";

/// The maximum length of a name that is passed on to the provider, in bytes.
const MAX_HINT_LENGTH: usize = 255;

#[derive(Deserialize)]
pub(crate) struct LoginQuery {
    login_hint: Option<String>,
}

/// Starts a sign-in: stores it in a cookie and redirects the browser to the provider.
pub(crate) async fn login(
    State(state): State<Arc<AppState>>,
    Query(query): Query<LoginQuery>,
    headers: HeaderMap,
) -> Result<Response, ErrorResponse> {
    let hint = query.login_hint.filter(|hint| !hint.is_empty() && hint.len() <= MAX_HINT_LENGTH);
    let callback = state.callback_url(&headers);
    let mut options = AuthorizationOptions::new(callback).with_scope(SCOPES);
    if let Some(hint) = hint {
        options = options.with_login_hint(hint);
    }
    let request = state.provider.openid.authorization_request(options).await;
    let request = request.map_err(|error| not_started(&error))?;
    let now = state.manager.now();
    let kept = state.pending.keep(request.pending, now, &headers).ok_or(NOT_STARTED)?;
    let kept = kept.into_iter().map(|cookie| (SET_COOKIE, cookie));
    Ok((AppendHeaders(kept), Redirect::to(&request.url)).into_response())
}

fn not_started(error: &SetupError) -> ErrorResponse {
    tracing::warn!(error = error as &dyn std::error::Error, "a sign-in cannot be started");
    match error.is_transient() {
        true => {
            ErrorResponse::unavailable("The identity provider cannot be reached right now.", None)
        }
        false => NOT_STARTED,
    }
}

const NOT_STARTED: ErrorResponse = ErrorResponse::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "internal",
    "The sign-in cannot be started.",
);

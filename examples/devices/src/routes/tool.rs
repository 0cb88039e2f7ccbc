//! `GET /api/tool`: calls another service on behalf of the user, with the session's access token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::TryStreamExt as _;
use session_core::TokenSet;
use session_tower::{CurrentSession, Rejection};

use crate::error_response::ErrorResponse;
use crate::state::AppState;

/// The maximum size of the response that is passed on, in bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Calls the provider's userinfo endpoint. If it rejects the token, renews it and tries once more.
pub(crate) async fn tool(
    State(state): State<Arc<AppState>>,
    current: CurrentSession,
) -> Result<Response, ErrorResponse> {
    let tokens = current.fresh_tokens(&state.manager).await?;
    let mut answer = ask(&state, &tokens).await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        let (user, id, rejected) = (current.user(), current.id(), tokens.access_token());
        let renewed = state.manager.access_token_after_rejection(user, id, rejected).await;
        answer = ask(&state, &*renewed.map_err(Rejection::of_own_token)?).await?;
    }
    match answer.status() {
        status if status.is_success() => passed_on(answer).await,
        StatusCode::TOO_MANY_REQUESTS => {
            Err(ErrorResponse::unavailable(UNAVAILABLE, retry_after(&answer)))
        }
        status if status.is_server_error() => {
            Err(ErrorResponse::unavailable(UNAVAILABLE, retry_after(&answer)))
        }
        status => {
            tracing::warn!(%status, "the tool rejected the request");
            Err(REFUSED)
        }
    }
}

const UNAVAILABLE: &str = "The tool cannot be reached right now.";

const REFUSED: ErrorResponse =
    ErrorResponse::new(StatusCode::BAD_GATEWAY, "tool_refused", "The tool rejected the request.");

async fn ask(state: &AppState, tokens: &TokenSet) -> Result<reqwest::Response, ErrorResponse> {
    if tokens.is_sender_constrained() {
        tracing::warn!("the access token is bound to a key: call the tool through `outgoing`");
        return Err(REFUSED);
    }
    let endpoints = state.provider.openid.endpoints().await.map_err(|error| {
        tracing::warn!(%error, "the provider's endpoints are not known");
        ErrorResponse::unavailable(UNAVAILABLE, None)
    })?;
    let userinfo = endpoints.userinfo.ok_or(REFUSED)?.to_string();
    let request = state.provider.http.get(userinfo).bearer_auth(tokens.access_token());
    request.send().await.map_err(|error| {
        tracing::warn!(error = %error.without_url(), "the tool could not be reached");
        ErrorResponse::unavailable(UNAVAILABLE, None)
    })
}

async fn passed_on(answer: reqwest::Response) -> Result<Response, ErrorResponse> {
    let kind = answer.headers().get(CONTENT_TYPE).cloned();
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    let cut_off = |_| ErrorResponse::unavailable(UNAVAILABLE, None);
    while let Some(chunk) = chunks.try_next().await.map_err(cut_off)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_RESPONSE_BYTES {
            return Err(REFUSED);
        }
    }
    let kind = kind.unwrap_or(HeaderValue::from_static("application/json"));
    Ok(([(CONTENT_TYPE, kind)], body).into_response())
}

fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

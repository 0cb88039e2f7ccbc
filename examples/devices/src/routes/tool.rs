//! `GET /api/tool`: another service, called on behalf of the person with this session's token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::TryStreamExt as _;
use session_tower::{CurrentSession, Rejection};

use crate::refusal::Refusal;
use crate::site::Site;

/// The longest answer that is passed on, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Calls the provider's userinfo. A token that it refuses before its time is renewed once.
pub(crate) async fn tool(
    State(site): State<Arc<Site>>,
    current: CurrentSession,
) -> Result<Response, Refusal> {
    let token = current.access_token()?;
    let mut answer = ask(&site, token).await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        let renewed =
            site.manager.access_token_after_rejection(current.user(), current.id(), token).await;
        answer = ask(&site, renewed.map_err(Rejection::of_own_token)?.access_token()).await?;
    }
    match answer.status() {
        status if status.is_success() => passed_on(answer).await,
        StatusCode::TOO_MANY_REQUESTS => Err(Refusal::unavailable(AWAY, retry_after(&answer))),
        status if status.is_server_error() => Err(Refusal::unavailable(AWAY, retry_after(&answer))),
        status => {
            tracing::warn!(%status, "the tool refused the call");
            Err(REFUSED)
        }
    }
}

const AWAY: &str = "The tool cannot be reached now.";

const REFUSED: Refusal =
    Refusal::new(StatusCode::BAD_GATEWAY, "tool_refused", "The tool refused the call.");

async fn ask(site: &Site, token: &str) -> Result<reqwest::Response, Refusal> {
    let request = site.identity.http.get(site.identity.userinfo.clone()).bearer_auth(token);
    request.send().await.map_err(|error| {
        tracing::warn!(error = %error.without_url(), "the tool was not reached");
        Refusal::unavailable(AWAY, None)
    })
}

async fn passed_on(answer: reqwest::Response) -> Result<Response, Refusal> {
    let kind = answer.headers().get(CONTENT_TYPE).cloned();
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    let cut_off = |_| Refusal::unavailable(AWAY, None);
    while let Some(chunk) = chunks.try_next().await.map_err(cut_off)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
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

//! `GET /login`: to the provider.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use crate::refusal::Refusal;
use crate::site::Site;

/// What is asked for beside `openid`.
const SCOPES: [&str; 3] = ["profile", "email", "offline_access"];

/// The longest name that is passed on to the provider's form.
const LONGEST_HINT: usize = 255;

#[derive(Deserialize)]
pub(crate) struct LoginQuery {
    login_hint: Option<String>,
}

/// Begins a sign-in: it is kept in the browser, which is sent to the provider.
pub(crate) async fn login(
    State(site): State<Arc<Site>>,
    Query(query): Query<LoginQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let hint = query.login_hint.filter(|hint| !hint.is_empty() && hint.len() <= LONGEST_HINT);
    let callback = site.callback_url(&headers);
    let request = site
        .identity
        .openid
        .authorization_request(&callback, &SCOPES, hint.as_deref())
        .map_err(|_| NOT_BEGUN)?;
    let now = site.manager.now();
    let kept = site.pending.keep(request.pending, now, &headers).ok_or(NOT_BEGUN)?;
    let kept = kept.into_iter().map(|cookie| (SET_COOKIE, cookie));
    Ok((AppendHeaders(kept), Redirect::to(&request.url)).into_response())
}

const NOT_BEGUN: Refusal =
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The sign-in cannot begin.");

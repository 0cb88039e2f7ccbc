//! What the buttons of the page send: they end where they began.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use session_tower::{CookieUpdate, CurrentSession};

use super::sessions;
use crate::refusal::Refusal;
use crate::site::Site;

/// Ends one of the user's devices.
pub(crate) async fn end_one(
    State(site): State<Arc<Site>>,
    current: Option<CurrentSession>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Some(current) = current else { return Ok(home()) };
    match sessions::end(&site, &current, &id).await {
        Ok(true) => Ok((CookieUpdate::signed_out(), home()).into_response()),
        Ok(false) => Ok(home()),
        // It is over already: the list without it says so.
        Err(refusal) if is_of_a_page(&refusal, &headers) => Ok(home()),
        Err(refusal) => Err(refusal),
    }
}

/// Ends all of the user's devices but this one.
pub(crate) async fn end_others(
    State(site): State<Arc<Site>>,
    current: Option<CurrentSession>,
) -> Result<Response, Refusal> {
    if let Some(current) = current {
        site.manager.end_others(current.user(), current.id()).await?;
    }
    Ok(home())
}

fn is_of_a_page(refusal: &Refusal, headers: &HeaderMap) -> bool {
    refusal.status() == Refusal::NOT_FOUND.status() && crate::site::wants_page(headers)
}

fn home() -> Response {
    Redirect::to("/").into_response()
}

//! `POST /logout`: this device signs out, and no other.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use session_tower::{CookieUpdate, CurrentSession};

use crate::refusal::Refusal;
use crate::site::{Site, wants_page};

/// 204, or back to the page; also where nobody is signed in.
pub(crate) async fn sign_out(
    State(site): State<Arc<Site>>,
    current: Option<CurrentSession>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    if let Some(current) = current {
        site.manager.sign_out(current.user(), current.id()).await?;
    }
    let done = match wants_page(&headers) {
        true => Redirect::to("/").into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    };
    Ok((CookieUpdate::signed_out(), done).into_response())
}

//! `POST /logout`: signs this device out, and no other.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use session_tower::{CookieUpdate, CurrentSession};

use crate::error_response::ErrorResponse;
use crate::state::{AppState, wants_page};

/// Returns 204, or redirects a browser to the page; also without a session.
pub(crate) async fn sign_out(
    State(state): State<Arc<AppState>>,
    current: Option<CurrentSession>,
    headers: HeaderMap,
) -> Result<Response, ErrorResponse> {
    if let Some(current) = current {
        state.manager.sign_out(current.user(), current.id()).await?;
    }
    let done = match wants_page(&headers) {
        true => Redirect::to("/").into_response(),
        false => StatusCode::NO_CONTENT.into_response(),
    };
    Ok((CookieUpdate::signed_out(), done).into_response())
}

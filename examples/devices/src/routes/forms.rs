//! The forms of the page. Each redirects back to the page.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use session_tower::{CookieUpdate, CurrentSession};

use super::sessions;
use crate::error_response::ErrorResponse;
use crate::state::{AppState, wants_page};

/// Signs one of the user's devices out.
pub(crate) async fn end_one(
    State(state): State<Arc<AppState>>,
    current: Option<CurrentSession>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ErrorResponse> {
    let Some(current) = current else { return Ok(home()) };
    match sessions::end(&state, &current, &id).await {
        Ok(true) => Ok((CookieUpdate::signed_out(), home()).into_response()),
        Ok(false) => Ok(home()),
        // The session has already ended: the reloaded list shows that.
        Err(error) if is_gone(&error) && wants_page(&headers) => Ok(home()),
        Err(error) => Err(error),
    }
}

/// Signs all other devices of the user out.
pub(crate) async fn end_others(
    State(state): State<Arc<AppState>>,
    current: Option<CurrentSession>,
) -> Result<Response, ErrorResponse> {
    if let Some(current) = current {
        state.manager.end_others(current.user(), current.id()).await?;
    }
    Ok(home())
}

fn is_gone(error: &ErrorResponse) -> bool {
    error.status() == ErrorResponse::NOT_FOUND.status()
}

fn home() -> Response {
    Redirect::to("/").into_response()
}

//! `/api/me` and `/api/sessions`: the user's devices, for programs.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use session_core::manager::ListedSession;
use session_core::{Session, SessionId};
use session_tower::{CookieUpdate, CurrentSession, Rejection};

use super::AppState;

/// Returns the current session; 401 with `{error, reason}` without one.
pub(crate) async fn me(current: CurrentSession) -> Json<Session> {
    Json(current.session().clone())
}

/// Lists the user's devices, most recent sign-in first.
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    current: CurrentSession,
) -> Result<Json<Vec<ListedSession>>, Rejection> {
    Ok(Json(state.manager.list(current.user(), Some(current.id())).await?))
}

/// Signs one of the user's devices out; 404 for any other id.
pub(crate) async fn end_one(
    State(state): State<Arc<AppState>>,
    current: CurrentSession,
    id: Result<Path<SessionId>, PathRejection>,
) -> Result<Response, Rejection> {
    let Path(id) = id.map_err(|_| Rejection::NotFound)?;
    state.manager.end_one(current.user(), id).await?;
    let done = StatusCode::NO_CONTENT;
    Ok(match id == current.id() {
        true => (CookieUpdate::signed_out(), done).into_response(),
        false => done.into_response(),
    })
}

/// The number of devices that were signed out.
#[derive(Serialize)]
pub(crate) struct EndedOthers {
    ended: usize,
}

/// Signs all other devices of the user out.
pub(crate) async fn end_others(
    State(state): State<Arc<AppState>>,
    current: CurrentSession,
) -> Result<Json<EndedOthers>, Rejection> {
    let ended = state.manager.end_others(current.user(), current.id()).await?;
    Ok(Json(EndedOthers { ended }))
}

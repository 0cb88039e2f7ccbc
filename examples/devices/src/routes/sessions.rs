//! `/api/sessions`: the user's devices.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use session_core::manager::ListedSession;
use session_tower::{CookieUpdate, CurrentSession};

use crate::error_response::ErrorResponse;
use crate::state::AppState;

/// One device. Times are epoch milliseconds.
#[derive(Serialize)]
pub(crate) struct Device {
    session_id: String,
    provider: String,
    device: String,
    created_at: i64,
    last_seen_at: i64,
    current: bool,
}

impl From<ListedSession> for Device {
    fn from(listed: ListedSession) -> Self {
        let ListedSession { session, is_current, .. } = listed;
        Self {
            session_id: session.id.to_string(),
            provider: session.provider.to_string(),
            device: session.device.to_string(),
            created_at: session.created_at.as_millis(),
            last_seen_at: session.last_seen_at.as_millis(),
            current: is_current,
        }
    }
}

/// Lists the user's devices, most recent sign-in first.
pub(crate) async fn list(
    State(state): State<Arc<AppState>>,
    current: CurrentSession,
) -> Result<Json<Vec<Device>>, ErrorResponse> {
    let listed = state.manager.list(current.user(), Some(current.id())).await?;
    Ok(Json(listed.into_iter().map(Device::from).collect()))
}

/// Signs one of the user's devices out; 404 for any other id.
pub(crate) async fn end_one(
    State(state): State<Arc<AppState>>,
    current: CurrentSession,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ErrorResponse> {
    let Path(id) = id.map_err(|_| ErrorResponse::NOT_FOUND)?;
    let is_current = end(&state, &current, &id).await?;
    let done = StatusCode::NO_CONTENT;
    Ok(match is_current {
        true => (CookieUpdate::signed_out(), done).into_response(),
        false => done.into_response(),
    })
}

/// Signs one of the user's devices out, and returns whether it is the current one.
pub(super) async fn end(
    state: &AppState,
    current: &CurrentSession,
    id: &str,
) -> Result<bool, ErrorResponse> {
    let id = id.parse().map_err(|_| ErrorResponse::NOT_FOUND)?;
    state.manager.end_one(current.user(), id).await?;
    Ok(id == current.id())
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
) -> Result<Json<EndedOthers>, ErrorResponse> {
    let ended = state.manager.end_others(current.user(), current.id()).await?;
    Ok(Json(EndedOthers { ended }))
}

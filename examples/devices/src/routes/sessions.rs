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

use crate::refusal::Refusal;
use crate::site::Site;

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

/// The user's devices, the last that signed in first.
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    current: CurrentSession,
) -> Result<Json<Vec<Device>>, Refusal> {
    let listed = site.manager.list(current.user(), Some(current.id())).await?;
    Ok(Json(listed.into_iter().map(Device::from).collect()))
}

/// Ends one of the user's devices; 404 for anything else.
pub(crate) async fn end_one(
    State(site): State<Arc<Site>>,
    current: CurrentSession,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = id.map_err(|_| Refusal::NOT_FOUND)?;
    let is_current = end(&site, &current, &id).await?;
    let done = StatusCode::NO_CONTENT;
    Ok(match is_current {
        true => (CookieUpdate::signed_out(), done).into_response(),
        false => done.into_response(),
    })
}

/// Ends one of the user's devices; whether it is the one that asks.
pub(super) async fn end(site: &Site, current: &CurrentSession, id: &str) -> Result<bool, Refusal> {
    let id = id.parse().map_err(|_| Refusal::NOT_FOUND)?;
    site.manager.end_one(current.user(), id).await?;
    Ok(id == current.id())
}

/// How many were ended.
#[derive(Serialize)]
pub(crate) struct EndedOthers {
    ended: usize,
}

/// Ends all of the user's devices but this one.
pub(crate) async fn end_others(
    State(site): State<Arc<Site>>,
    current: CurrentSession,
) -> Result<Json<EndedOthers>, Refusal> {
    let ended = site.manager.end_others(current.user(), current.id()).await?;
    Ok(Json(EndedOthers { ended }))
}

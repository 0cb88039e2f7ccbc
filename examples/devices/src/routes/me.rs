//! `GET /api/me`: the user and session of this device.

use axum::Json;
use serde::Serialize;
use session_tower::CurrentSession;

/// The current session. Times are epoch milliseconds.
#[derive(Serialize)]
pub(crate) struct Me {
    user: String,
    provider: String,
    session_id: String,
    created_at: i64,
    last_seen_at: i64,
}

/// Returns the current session; 401 with `{error, reason}` without one.
pub(crate) async fn me(current: CurrentSession) -> Json<Me> {
    Json(Me {
        user: current.user().to_string(),
        provider: current.provider().to_string(),
        session_id: current.id().to_string(),
        created_at: current.session().created_at.as_millis(),
        last_seen_at: current.last_seen_at().as_millis(),
    })
}

//! `GET /healthz`: whether this copy can reach the session store.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use crate::error_response::ErrorResponse;
use crate::state::AppState;

/// How long the store may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

const UNAVAILABLE: &str = "The session store cannot be reached right now.";

/// Looks up a session that does not exist.
pub(crate) async fn health(
    State(state): State<Arc<AppState>>,
) -> Result<&'static str, ErrorResponse> {
    let ids = [NO_SESSION.parse().map_err(|_| unavailable())?];
    match tokio::time::timeout(TIMEOUT, state.store.find_all(&ids)).await {
        Ok(Ok(_)) => Ok("ok\n"),
        Ok(Err(_)) | Err(_) => Err(unavailable()),
    }
}

/// An id that no session has.
const NO_SESSION: &str = "00000000-0000-0000-0000-000000000000";

fn unavailable() -> ErrorResponse {
    ErrorResponse::unavailable(UNAVAILABLE, None)
}

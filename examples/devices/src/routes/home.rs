//! `GET /`: the page "Your devices".

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use session_tower::{CurrentSession, EndedSession};

use crate::error_response::ErrorResponse;
use crate::page;
use crate::state::AppState;

/// Shows the user's devices; without a session, the sign-in link and why the last session ended.
pub(crate) async fn home(
    State(state): State<Arc<AppState>>,
    current: Option<CurrentSession>,
    ended: Option<EndedSession>,
) -> Result<Response, ErrorResponse> {
    let Some(current) = current else {
        return Ok(page::signed_out(ended.map(|ended| ended.reason), state.has_built_in_provider));
    };
    let listed = state.manager.list(current.user(), Some(current.id())).await?;
    Ok(page::devices(current.user(), &listed, state.manager.now()))
}

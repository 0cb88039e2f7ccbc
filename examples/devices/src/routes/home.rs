//! `/`: the page "Your devices".

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use session_tower::{CurrentSession, EndedSession};
use tower::ServiceExt as _;

use super::AppState;
use crate::page;

/// Shows the user's devices, and ends those that a form names. Without a session it shows the link to
/// the sign-in; a browser whose session has ended is sent there to be told why.
pub(crate) async fn home(
    State(state): State<Arc<AppState>>,
    current: Option<CurrentSession>,
    ended: Option<EndedSession>,
    request: Request,
) -> Response {
    match current.is_some() || ended.is_some() {
        true => state.devices.clone().oneshot(request).await.into_response(),
        false => page::signed_out(state.has_built_in_provider),
    }
}

//! `GET /api/events`: a stream of server-sent events that closes when the session ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;
use session_tower::CurrentSession;

use super::AppState;

/// The interval of the comments that keep the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Sends one event when the session ends, with the reason. An open stream does not count as
/// activity of the session.
pub(crate) async fn events(
    State(state): State<Arc<AppState>>,
    current: CurrentSession,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut ended = current.ended();
    let mut closing = state.closing.clone();
    // The stream keeps only the signal, so that tokens do not stay in memory with the connection.
    drop(current);
    let last = async move {
        tokio::select! {
            biased;
            reason = ended.wait() => {
                let reason = json!({ "reason": reason.as_str() });
                Some(Event::default().event("ended").data(reason.to_string()))
            }
            // An error means that the server is gone.
            _ = closing.wait_for(|is_closing| *is_closing) => None,
        }
    };
    let open = stream::once(async { Event::default().comment("open") });
    let last = stream::once(last).filter_map(std::future::ready);
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Sse::new(open.chain(last).map(Ok)).keep_alive(keep_alive)
}

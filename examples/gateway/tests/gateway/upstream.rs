//! An application that knows nothing of sessions.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::http::header::{AUTHORIZATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

/// Builds the application.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/page", get(|uri: Uri| async move { uri.to_string() }))
        .route("/headers", get(headers))
        .route("/set-cookies", get(set_cookies))
        .route("/rejects-first", get(rejects_first))
        .route("/stream", get(stream))
        .route("/socket", get(socket))
}

async fn headers(headers: HeaderMap) -> Json<BTreeMap<String, String>> {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
    Json(headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect())
}

async fn set_cookies() -> impl IntoResponse {
    AppendHeaders([
        (SET_COOKIE, "own=1"),
        (SET_COOKIE, "session=stolen"),
        (SET_COOKIE, "session_of_mine=2"),
    ])
}

/// Accepts a token once it has rejected another one.
async fn rejects_first(headers: HeaderMap) -> Response {
    static REJECTED: Mutex<Option<String>> = Mutex::new(None);
    let token = headers[AUTHORIZATION].to_str().unwrap().to_owned();
    let mut rejected = REJECTED.lock().unwrap();
    match &*rejected {
        Some(other) if *other != token => token.into_response(),
        _ => {
            *rejected = Some(token);
            StatusCode::UNAUTHORIZED.into_response()
        }
    }
}

async fn stream() -> Body {
    let ticks = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, std::io::Error>("tick"), ()))
    });
    Body::from_stream(ticks)
}

/// Repeats what it hears, and who says it.
async fn socket(upgrade: WebSocketUpgrade, headers: HeaderMap) -> Response {
    let user = headers["x-forwarded-user"].to_str().unwrap().to_owned();
    upgrade.on_upgrade(async move |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message {
                let answer = Message::text(format!("{user}: {text}"));
                if socket.send(answer).await.is_err() {
                    return;
                }
            }
        }
    })
}

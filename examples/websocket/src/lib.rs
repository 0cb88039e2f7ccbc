//! A chat over web sockets. A socket closes as soon as its session ends, in whatever way, with a code
//! and the reason; an open socket is no use of a session, but each message is.
//!
//! | path | what it does |
//! |---|---|
//! | `/` | the page |
//! | `/chat` | the socket: only for pages of this origin, and only with a session |
//! | `/devices` | the user's devices, each with a button that ends it |

use std::ops::ControlFlow;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header::ORIGIN};
use axum::response::{Html, Response};
use axum::routing::{any, get};
use futures_util::{SinkExt as _, StreamExt as _};
use session_core::SessionManager;
use session_tower::devices::DevicesPage;
use session_tower::sign_in::OpenIdSignIn;
use session_tower::{CurrentSession, UntilEnded};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use tower_http::csrf::CsrfLayer;

/// The code of a socket whose session has ended: one of those for applications (RFC 6455, section
/// 7.4.2), as 401 is for requests.
pub const SESSION_ENDED: u16 = 4401;

/// How long a browser may take to read what it is sent.
const MAX_SEND: Duration = Duration::from_secs(10);

/// What the application is made of.
#[derive(Debug, Clone)]
pub struct App {
    /// The sessions.
    pub sessions: SessionManager,
    /// The sign-in.
    pub sign_in: OpenIdSignIn,
    /// The origin of its pages, such as `https://app.example`.
    pub origin: String,
    /// What users say.
    pub room: broadcast::Sender<String>,
}

impl App {
    /// Builds the routes.
    pub fn router(self) -> Router {
        let (sign_in, sessions) = (self.sign_in.clone(), self.sessions.clone());
        Router::new()
            .route("/", get(async |_: CurrentSession| Html(include_str!("page.html"))))
            .route("/chat", any(chat))
            .with_state(self)
            .route_service("/devices", DevicesPage::new(sessions))
            .route_service("/login", sign_in.login())
            .route_service("/callback", sign_in.callback())
            .route_service("/logout", sign_in.logout())
            .layer(sign_in.session_layer())
            .layer(CsrfLayer::new())
    }
}

/// Opens a socket. Pages of other sites may ask for one as well, and their request has the session's
/// cookie where they are of the same site: only the origin tells.
async fn chat(
    State(app): State<App>,
    session: CurrentSession,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, StatusCode> {
    if headers.get(ORIGIN).is_none_or(|origin| *origin != *app.origin) {
        return Err(StatusCode::FORBIDDEN);
    }
    Ok(upgrade.max_message_size(4096).on_upgrade(|socket| talk(app, session, socket)))
}

/// Passes messages on in both directions, until the browser leaves or the session ends.
async fn talk(app: App, session: CurrentSession, socket: WebSocket) {
    let (mut outgoing, incoming) = socket.split();
    let mut incoming = UntilEnded::new(incoming, session.ended());
    let mut room = app.room.subscribe();
    loop {
        let step = tokio::select! {
            received = incoming.next() => app.hear(&session, received.and_then(Result::ok)),
            said = room.recv() => match said {
                Ok(text) => match timeout(MAX_SEND, outgoing.send(text.into())).await {
                    Ok(Ok(())) => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                },
                // A slow browser misses what was said meanwhile.
                Err(RecvError::Lagged(_)) => ControlFlow::Continue(()),
                Err(RecvError::Closed) => ControlFlow::Break(()),
            },
        };
        if step.is_break() {
            break;
        }
    }
    if let Some(reason) = incoming.reason() {
        let close = CloseFrame { code: SESSION_ENDED, reason: reason.as_str().into() };
        // The browser may be gone.
        drop(timeout(MAX_SEND, outgoing.send(Message::Close(Some(close)))).await);
    }
}

impl App {
    /// Tells everybody what a user says, and counts it as a use of the session. Pings are the
    /// browser's own, and are none.
    fn hear(&self, session: &CurrentSession, received: Option<Message>) -> ControlFlow<()> {
        match received {
            Some(Message::Text(text)) => {
                session.touch(&self.sessions);
                // This socket listens, so there is a receiver.
                drop(self.room.send(format!("{}: {text}", session.user())));
                ControlFlow::Continue(())
            }
            Some(Message::Close(_)) | None => ControlFlow::Break(()),
            Some(_) => ControlFlow::Continue(()),
        }
    }
}

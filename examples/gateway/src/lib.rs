//! A gateway: the session layer in front of an application in any language.
//!
//! It signs users in, and passes their requests on with `Authorization: Bearer` and their access
//! token, which it renews. The application sees neither cookie nor refresh token, and the browser
//! sees no token: the token-handler pattern. Streams and web sockets are passed on too, and closed
//! when the session ends.
//!
//! ```text
//! browser ── cookie ──▶ session layer ──▶ forward ──▶ outgoing layer ── bearer ──▶ upstream
//!                            │ no session               │ 101: tunnel
//!                            ▼                          ▼
//!                     /_gateway/login            until the session ends
//! ```
//!
//! | path | what it does |
//! |---|---|
//! | `/_gateway/login`, `/_gateway/callback`, `/_gateway/logout` | sign-in and sign-out |
//! | `/_gateway/backchannel-logout` | the provider's word that a sign-in is over |
//! | all others | the upstream's |
//!
//! The upstream must be reachable through the gateway only. It can also check the signature of the
//! `X-Gateway-Assertion`, which names the user: see [`Assertions`].

mod assertion;
mod forward;
mod headers;
mod tunnel;

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use session_core::SessionManager;
use session_tower::outgoing::{InvalidOrigin, OutgoingLayer};
use session_tower::sign_in::OpenIdSignIn;
use tower::Layer as _;
use tower_http::csrf::CsrfLayer;

pub use assertion::{Assertions, SECRET_BYTES};
pub use headers::{ASSERTION, USER};

use forward::{Forward, RepeatEmpty, client, repeat_empty};

/// The path of the login, to which a page without a session leads.
pub const LOGIN: &str = "/_gateway/login";

/// The path of the callback, which is registered at the provider.
pub const CALLBACK: &str = "/_gateway/callback";

/// What a gateway is made of.
#[derive(Debug)]
pub struct Gateway {
    /// The sessions.
    pub sessions: SessionManager,
    /// The sign-in, whose paths are [`LOGIN`] and [`CALLBACK`].
    pub sign_in: OpenIdSignIn,
    /// The origin of the application, such as `http://127.0.0.1:8080`: https, or on this machine.
    pub upstream: Uri,
    /// Signs who the user is, for the application.
    pub assertions: Assertions,
}

impl Gateway {
    /// Builds the routes.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidOrigin`] if the upstream is another machine over plain http, or no origin.
    pub fn router(self) -> Result<Router, InvalidOrigin> {
        let (layer, cookie) = (self.sign_in.session_layer(), self.sign_in.session_cookie());
        let outgoing = OutgoingLayer::new(self.sessions.clone())
            .cookie(cookie.clone())
            .allow(&self.upstream.to_string())?
            .repeat_with(repeat_empty as RepeatEmpty);
        let forward = Forward {
            client: outgoing.layer(client()),
            sessions: self.sessions,
            cookie,
            upstream: self.upstream,
            assertions: Arc::new(self.assertions),
        };
        Ok(Router::new()
            .route_service(LOGIN, self.sign_in.login())
            .route_service(CALLBACK, self.sign_in.callback())
            .route_service("/_gateway/logout", self.sign_in.logout())
            .layer(layer.clone())
            .fallback_service(layer.require_session().layer(forward))
            .layer(CsrfLayer::new())
            .route_service("/_gateway/backchannel-logout", self.sign_in.back_channel_logout()))
    }
}

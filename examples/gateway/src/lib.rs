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
use session_tower::{InvalidLoginPath, RedirectToLogin, SessionCookie, SessionLayer};
use tower::Layer as _;
use tower_http::csrf::CsrfLayer;

pub use assertion::{Assertions, SECRET_BYTES};
pub use headers::{ASSERTION, USER};

use forward::{Forward, RepeatEmpty, client, repeat_empty};

/// The path of the callback, which is registered at the provider.
pub const CALLBACK: &str = "/_gateway/callback";

/// What a gateway is made of.
#[derive(Debug)]
pub struct Gateway {
    /// The sessions.
    pub sessions: SessionManager,
    /// The session cookie.
    pub cookie: SessionCookie,
    /// The sign-in, whose callback is [`CALLBACK`].
    pub sign_in: OpenIdSignIn,
    /// The origin of the application, such as `http://127.0.0.1:8080`: https, or on this machine.
    pub upstream: Uri,
    /// Signs who the user is, for the application.
    pub assertions: Assertions,
}

/// A gateway cannot be built.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub enum GatewayError {
    /// The upstream is no origin that may get tokens.
    Upstream(#[from] InvalidOrigin),
    /// The path of the login is none of this site.
    Login(#[from] InvalidLoginPath),
}

impl Gateway {
    /// Builds the routes.
    ///
    /// # Errors
    ///
    /// Returns [`GatewayError`] if the upstream is another machine over plain http, or no origin.
    pub fn router(self) -> Result<Router, GatewayError> {
        let outgoing = OutgoingLayer::new(self.sessions.clone())
            .cookie(self.cookie.clone())
            .allow(&self.upstream.to_string())?
            .repeat_with(repeat_empty as RepeatEmpty);
        let forward = Forward {
            client: outgoing.layer(client()),
            sessions: self.sessions.clone(),
            cookie: self.cookie.clone(),
            upstream: self.upstream,
            assertions: Arc::new(self.assertions),
        };
        let layer = SessionLayer::new(self.sessions).with_cookie(self.cookie);
        let required = layer
            .clone()
            .require_session()
            .with_rejection_response(RedirectToLogin::to("/_gateway/login")?);
        Ok(Router::new()
            .route_service("/_gateway/login", self.sign_in.login())
            .route_service(CALLBACK, self.sign_in.callback())
            .route_service("/_gateway/logout", self.sign_in.logout())
            .layer(layer)
            .fallback_service(required.layer(forward))
            .layer(CsrfLayer::new())
            .route_service("/_gateway/backchannel-logout", self.sign_in.back_channel_logout()))
    }
}

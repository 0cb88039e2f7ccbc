//! An application that signs its users in by itself, with axum-login, and connects an account of each
//! user at an OpenID provider. Each browser has tokens of its own, in a session that is bound to the
//! application's user.
//!
//! ```text
//! browser ── axum-login's cookie ──▶ AuthManagerLayer ── AuthSession ──▶ known_user ─┐
//!         ── session's cookie ─────▶ session layer ◀── the session must be this user's ┘
//! ```
//!
//! | path | what it does |
//! |---|---|
//! | `/sign-in`, `POST /sign-out` | the application's own sign-in; its end ends the browser's session too |
//! | `/connect`, `/callback` | connect an account at the provider, for the user who is signed in |
//! | `/calendar` | calls the provider's service with this browser's access token |
//! | `/devices` | the browsers in which the user has connected an account |
//!
//! An application that knows its users by a token (JWT) or a proxy in front of it does the same with
//! another [`known_user`].

mod failure;
mod users;

use axum::extract::State;
use axum::http::{Extensions, HeaderMap};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_login::{AuthManagerLayerBuilder, AuthSession, login_required};
use session_core::{SessionManager, UserId};
use session_tower::devices::DevicesPage;
use session_tower::outgoing::OutgoingClient;
use session_tower::sign_in::OpenIdSignIn;
use session_tower::{CookieUpdate, CurrentSession, Rejection};
use tower_http::csrf::CsrfLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::{MemoryStore, SessionManagerLayer};

use failure::Failure;
pub use users::{Credentials, User, Users};

/// What the application is made of.
#[derive(Debug, Clone)]
pub struct App {
    /// Its users.
    pub users: Users,
    /// The sessions in which tokens are kept.
    pub sessions: SessionManager,
    /// The sign-in at the provider, built with [`known_user`].
    pub sign_in: OpenIdSignIn,
    /// The service that takes the access tokens.
    pub calendar: OutgoingClient,
}

/// Returns the user who is signed in to the application, as axum-login says.
#[must_use]
pub fn known_user(_: &HeaderMap, extensions: &Extensions) -> Option<UserId> {
    let user = extensions.get::<AuthSession<Users>>()?.user.as_ref()?;
    UserId::new(&user.name).ok()
}

impl App {
    /// Builds the routes.
    pub fn router(self) -> Router {
        let cookie = SessionManagerLayer::new(MemoryStore::default())
            .with_name("application")
            .with_secure(false) // plain http on this machine: leave this line out in production
            .with_same_site(SameSite::Lax); // a strict cookie does not come to the callback
        let auth = AuthManagerLayerBuilder::new(self.users.clone(), cookie).build();
        let (sign_in, sessions) = (self.sign_in.clone(), self.sessions.clone());
        Router::new()
            .route("/", get(Html(HOME)))
            .route("/calendar", get(calendar))
            .route_service("/devices", DevicesPage::new(sessions))
            .route_layer(login_required!(Users, login_url = "/sign-in"))
            .route("/sign-in", get(Html(SIGN_IN)).post(sign_in_with_password))
            .route("/sign-out", post(sign_out))
            .with_state(self)
            .route_service("/connect", sign_in.login())
            .route_service("/callback", sign_in.callback())
            .layer(sign_in.session_layer())
            .layer(auth) // outside of the session layer, which asks who the user is
            .layer(CsrfLayer::new())
    }
}

/// Signs a user in to the application. A session of the user who was signed in before is not served
/// to this one.
async fn sign_in_with_password(
    mut auth: AuthSession<Users>,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Failure> {
    let Some(user) = auth.authenticate(credentials).await? else {
        return Ok(Redirect::to("/sign-in").into_response());
    };
    auth.login(&user).await?;
    Ok(Redirect::to("/").into_response())
}

/// Ends the session with the tokens first: if that fails, the user is signed in and can try again.
async fn sign_out(
    State(app): State<App>,
    mut auth: AuthSession<Users>,
    session: Option<CurrentSession>,
    headers: HeaderMap,
) -> Result<(Option<CookieUpdate>, Redirect), Failure> {
    let address = app.sign_in.sign_out(session.as_ref(), &headers).await?;
    auth.logout().await?;
    // The cookie of another user's session is kept.
    Ok((session.map(|_| CookieUpdate::signed_out()), Redirect::to(&address)))
}

/// Calls the service with this browser's access token. A browser without a session is sent to
/// `/connect`.
async fn calendar(State(app): State<App>, user: CurrentSession) -> Result<Vec<u8>, Rejection> {
    Ok(app.calendar.get(&user, "/userinfo").await?.into_body())
}

const HOME: &str = "<!doctype html><title>Calendar</title><p><a href=/calendar>Calendar</a> \
    <a href=/devices>Devices</a><form method=post action=/sign-out><button>Sign out</button></form>";
const SIGN_IN: &str = "<!doctype html><title>Sign in</title><form method=post><label>Name <input \
    name=name></label> <label>Password <input name=password type=password></label> \
    <button>Sign in</button></form>";

//! Two OpenID providers to choose from, one of which answers with a form, as Apple does. A person who
//! signs in at both is one user: see [`Accounts`], and what it says about trust.
//!
//! | path | what it does |
//! |---|---|
//! | `/` | who is signed in, and where |
//! | `/choose` | the page to choose a provider from, to which the session layer sends browsers |
//! | `/login?provider=…`, `/callback` | the ready-made sign-in |
//! | `/devices` | the user's devices, whichever provider each signed in at |

mod accounts;

use std::borrow::Cow;

use axum::Router;
use axum::extract::RawQuery;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::get;
use session_core::SessionManager;
use session_tower::devices::DevicesPage;
use session_tower::sign_in::OpenIdSignIn;
use session_tower::{CurrentSession, RedirectToLogin};
use tower_http::csrf::CsrfLayer;

pub use accounts::Accounts;

/// Builds the routes.
pub fn router(sessions: SessionManager, sign_in: &OpenIdSignIn) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/choose", get(choose))
        .route_service("/devices", DevicesPage::new(sessions))
        .route_service("/login", sign_in.login())
        .route_service("/logout", sign_in.logout())
        .layer(CsrfLayer::new())
        // The provider's page sends its form here, so no protection stands in front of it.
        .route_service("/callback", sign_in.callback())
        .layer(sign_in.session_layer())
}

async fn home(session: CurrentSession) -> String {
    format!("{} at {}", session.user(), session.provider())
}

/// Offers the providers, and passes on what the sign-in was asked for. A browser that was signed out is
/// told why by the login, before it comes here.
async fn choose(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let field = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| {
        let (name, value) = (escape(name), escape(value));
        format!("<input type=hidden name=\"{name}\" value=\"{value}\">")
    };
    if asked.iter().any(|(name, _)| name == "reason") {
        return Redirect::to(&format!("/login?{query}")).into_response();
    }
    let stays = |(name, value): &&(_, Cow<'_, str>)| {
        *name != "return_to" || RedirectToLogin::is_local(value)
    };
    let fields: String = asked.iter().filter(stays).map(field).collect();
    Html(format!(
        "<!doctype html><title>Sign in</title><form action=/login>{fields}\
         <button name=provider value=okta>Sign in with Okta</button> \
         <button name=provider value=apple>Sign in with Apple</button></form>"
    ))
    .into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

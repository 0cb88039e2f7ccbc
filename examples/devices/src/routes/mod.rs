//! The routes: `/api/*` for programs, `/` for people.

mod events;
mod home;
mod sessions;
mod tool;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use session_core::SessionManager;
use session_tower::devices::DevicesPage;
use session_tower::outgoing::OutgoingClient;
use session_tower::sign_in::OpenIdSignIn;
use session_tower::{Rejection, SessionLayer};
use tokio::sync::{OnceCell, watch};
use tower_http::csrf::CsrfLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

use crate::provider_client::ProviderClient;

/// The Content-Security-Policy: no scripts, no frames, nothing from other origins.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// The state that all routes share.
#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) manager: SessionManager,
    pub(crate) provider: ProviderClient,
    pub(crate) devices: DevicesPage,
    /// The client of the service that `/api/tool` calls, and the path there.
    pub(crate) tool: OnceCell<(OutgoingClient, String)>,
    /// Whether to offer user names on the page: the built-in provider asks for no password.
    pub(crate) has_built_in_provider: bool,
    /// Becomes true when open streams must close.
    pub(crate) closing: watch::Receiver<bool>,
}

/// Builds the router. Requests from other sites are rejected before the session is looked up, so
/// that they do not count as its activity.
pub(crate) fn router(
    state: Arc<AppState>,
    sign_in: &OpenIdSignIn,
    sessions: SessionLayer,
) -> Router {
    let with_sessions = Router::new()
        .route("/", get(home::home).post(home::home))
        .route_service("/login", sign_in.login())
        .route_service("/callback", sign_in.callback())
        .route_service("/logout", sign_in.logout())
        .route("/api/me", get(sessions::me))
        .route("/api/tool", get(tool::tool))
        .route("/api/events", get(events::events))
        .route("/api/sessions", get(sessions::list))
        .route("/api/sessions/{id}", delete(sessions::end_one))
        .route("/api/sessions/end-others", post(sessions::end_others))
        .layer(sessions);
    Router::new()
        .route("/healthz", get(health))
        .route("/style.css", get(style))
        .merge(with_sessions)
        .with_state(state)
        .layer(CsrfLayer::new())
        .layer(header(CACHE_CONTROL, "no-store"))
        .layer(header(CONTENT_SECURITY_POLICY, POLICY))
        .layer(header(REFERRER_POLICY, "same-origin"))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(TraceLayer::new_for_http().make_span_with(span))
}

/// Sets a header on every response that does not have it.
fn header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Logs the path only, because the query of the callback contains a code.
fn span(request: &Request) -> tracing::Span {
    tracing::info_span!("request", method = %request.method(), path = request.uri().path())
}

/// Answers whether this copy can reach the session store.
async fn health(State(state): State<Arc<AppState>>) -> Result<&'static str, Rejection> {
    state.manager.check_store().await?;
    Ok("ok\n")
}

async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("../style.css")).into_response()
}

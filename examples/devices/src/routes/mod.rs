//! The routes: `/api/*` for programs, forms for the page.

mod events;
mod forms;
mod health;
mod home;
mod me;
mod sessions;
mod tool;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use session_tower::sign_in::OpenIdSignIn;
use session_tower::{ProblemDetails, Rejection, SessionLayer};
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

use crate::error_response::ErrorResponse;
use crate::page;
use crate::state::{AppState, wants_page};

/// The Content-Security-Policy: no scripts, no frames, nothing from other origins.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// Builds the router. Requests from other sites are rejected before the session is looked up, so
/// that they do not count as its activity.
pub(crate) fn router(
    state: Arc<AppState>,
    sign_in: &OpenIdSignIn,
    sessions: SessionLayer,
) -> Router {
    let with_sessions = Router::new()
        .route("/", get(home::home))
        .route_service("/login", sign_in.login())
        .route_service("/callback", sign_in.callback())
        .route_service("/logout", sign_in.logout())
        .route("/api/me", get(me::me))
        .route("/api/tool", get(tool::tool))
        .route("/api/events", get(events::events))
        .route("/api/sessions", get(sessions::list))
        .route("/api/sessions/{id}", delete(sessions::end_one))
        .route("/api/sessions/end-others", post(sessions::end_others))
        .route("/sessions/{id}/end", post(forms::end_one))
        .route("/sessions/end-others", post(forms::end_others))
        .layer(sessions.with_rejection_response(no_session));
    Router::new()
        .route("/healthz", get(health::health))
        .route("/style.css", get(style))
        .merge(with_sessions)
        .with_state(state)
        .layer(CsrfLayer::new().with_rejection_response(cross_site))
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

fn cross_site(_: ProtectionError) -> Response {
    let message = "Requests from other sites are rejected.";
    ErrorResponse::new(StatusCode::FORBIDDEN, "cross_site", message).into_response()
}

/// Responds when the store is unavailable or the session cannot be read: with a page to browsers.
fn no_session(rejection: &Rejection, request: &Parts) -> Response<Bytes> {
    match wants_page(&request.headers) {
        true => page::error(&ErrorResponse::from(rejection.clone())),
        false => ProblemDetails::of(rejection),
    }
}

async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("../page/style.css")).into_response()
}

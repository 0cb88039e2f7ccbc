//! Extractors and response parts for axum, on axum-core (feature `axum`).

use std::convert::Infallible;
use std::time::Duration;

use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::request::Parts;
use session_core::SessionManager;
use session_core::policy::authentication::RequiredAuthentication;

use crate::cookie_update::CookieUpdate;
use crate::current::{CurrentSession, EndedSession, PresentedCookie, UnreadableSession};
use crate::missing_layer;
use crate::rejection::Rejection;

impl<S: Sync> FromRequestParts<S> for CurrentSession {
    type Rejection = Rejection;

    /// Extracts the request's session.
    ///
    /// # Errors
    ///
    /// Returns [`Rejection::Ended`] if the session has ended, and [`Rejection::NoSession`] if there
    /// is none; both are answered 401. Returns [`Rejection::Unreadable`]
    /// if its tokens cannot be decrypted, and [`Rejection::MissingLayer`] on a route without the
    /// session layer.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        Self::among(&parts.extensions)
            .cloned()
            .inspect_err(|rejection| missing_layer::report(rejection, parts.uri.path()))
    }
}

/// Extracts the session of a user who has authenticated within this many seconds.
///
/// The manager is the router's state, or a part of it ([`FromRef`]). Where a level is required too,
/// [`CurrentSession::require`] and [`RequireAuthenticationLayer`](crate::RequireAuthenticationLayer)
/// ask for it.
///
/// ```
/// use axum::Router;
/// use axum::routing::post;
/// use session_core::SessionManager;
/// use session_tower::{FreshSession, SessionLayer};
///
/// async fn delete_account(FreshSession(session): FreshSession<300>) -> String {
///     format!("the account of {} is deleted", session.user())
/// }
///
/// fn app(manager: SessionManager) -> Router {
///     Router::new()
///         .route("/account/delete", post(delete_account))
///         .with_state(manager.clone())
///         .layer(SessionLayer::new(manager))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct FreshSession<const MAX_AGE_SECONDS: u64>(pub CurrentSession);

impl<S: Sync, const MAX_AGE_SECONDS: u64> FromRequestParts<S> for FreshSession<MAX_AGE_SECONDS>
where
    SessionManager: FromRef<S>,
{
    type Rejection = Rejection;

    /// Extracts the session.
    ///
    /// # Errors
    ///
    /// Returns [`Rejection::InsufficientAuthentication`] if the user has authenticated longer ago, or
    /// it is not known when, and the rejections of [`CurrentSession`].
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let current = <CurrentSession as FromRequestParts<S>>::from_request_parts(parts, state);
        let current = current.await?;
        let required = RequiredAuthentication::within(Duration::from_secs(MAX_AGE_SECONDS));
        current.require(&SessionManager::from_ref(state), &required)?;
        Ok(Self(current))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentSession {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for EndedSession {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().copied())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for UnreadableSession {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().copied())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for PresentedCookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

impl IntoResponseParts for CookieUpdate {
    type Error = Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Infallible> {
        response.extensions_mut().insert(self);
        Ok(response)
    }
}

impl IntoResponse for CookieUpdate {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

impl IntoResponse for Rejection {
    /// Converts the rejection into [its response](Rejection::response), in whose place the layer
    /// puts the configured one.
    fn into_response(self) -> Response {
        self.response()
    }
}

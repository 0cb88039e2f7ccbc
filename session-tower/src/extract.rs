//! Extractors and response parts for axum, on axum-core (feature `axum`).

use std::convert::Infallible;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::request::Parts;

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

//! Error responses of the token and the revocation endpoint.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use openidconnect::StandardErrorResponse;
use openidconnect::core::CoreErrorResponseType;

use crate::ledger::GrantError;

/// Token responses must not be cached (RFC 6749, 5.1).
pub(crate) const NO_STORE: [(HeaderName, &str); 2] =
    [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];

/// An error response of the token or the revocation endpoint (RFC 6749, 5.2).
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    description: &'static str,
    error: CoreErrorResponseType,
    status: StatusCode,
}

impl ErrorResponse {
    pub(crate) fn new(error: CoreErrorResponseType, description: &'static str) -> Self {
        let status = match error {
            CoreErrorResponseType::InvalidClient => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { description, error, status }
    }

    pub(crate) fn invalid_client(description: &'static str) -> Self {
        Self::new(CoreErrorResponseType::InvalidClient, description)
    }

    pub(crate) fn invalid_request(description: &'static str) -> Self {
        Self::new(CoreErrorResponseType::InvalidRequest, description)
    }

    pub(crate) fn server_error(description: &'static str) -> Self {
        let error = CoreErrorResponseType::Extension("server_error".to_owned());
        Self { description, error, status: StatusCode::INTERNAL_SERVER_ERROR }
    }
}

impl From<GrantError> for ErrorResponse {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Grant(description) => {
                Self::new(CoreErrorResponseType::InvalidGrant, description)
            }
            GrantError::Scope(description) => {
                Self::new(CoreErrorResponseType::InvalidScope, description)
            }
            GrantError::Target(description) => {
                let error = CoreErrorResponseType::Extension("invalid_target".to_owned());
                Self::new(error, description)
            }
        }
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let body = StandardErrorResponse::new(self.error, Some(self.description.to_owned()), None);
        let mut response = (self.status, NO_STORE, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge =
                axum::http::HeaderValue::from_static("Basic realm=\"identity-provider\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

//! Error responses: problem details (RFC 9457) for programs, a page for browsers.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use session_core::manager::{ManagerError, ManagerErrorKind, TokenError};
use session_tower::Rejection;

/// The `Retry-After` of an unavailable store or provider that names none.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A response that says why a request failed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ErrorResponse {
    #[serde(skip)]
    status: StatusCode,
    /// The error code, for programs.
    error: &'static str,
    /// The message, for people.
    #[serde(rename = "title")]
    pub(crate) message: &'static str,
    /// The number of live sessions, where the cap is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<usize>,
    #[serde(skip)]
    retry_after: Option<Duration>,
    /// The session itself is the reason: `session-tower` builds the response.
    #[serde(skip)]
    rejection: Option<Rejection>,
}

/// The JSON body, with the members that RFC 9457 defines.
#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: &'static str,
    status: u16,
    #[serde(flatten)]
    response: &'a ErrorResponse,
}

impl ErrorResponse {
    pub(crate) const fn new(
        status: StatusCode,
        error: &'static str,
        message: &'static str,
    ) -> Self {
        Self { status, error, message, live: None, retry_after: None, rejection: None }
    }

    /// No such session, or another user's: the responses are the same on purpose.
    pub(crate) const NOT_FOUND: Self =
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such device.");

    /// Something is unavailable; the same request may succeed later.
    pub(crate) fn unavailable(message: &'static str, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after: Some(retry_after.unwrap_or(DEFAULT_RETRY_AFTER)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        }
    }

    fn limit_reached(live: usize) -> Self {
        let message = "You are signed in on too many devices: sign out on one of them first.";
        Self { live: Some(live), ..Self::new(StatusCode::CONFLICT, "limit_reached", message) }
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Rejection> for ErrorResponse {
    fn from(rejection: Rejection) -> Self {
        let message = match rejection {
            Rejection::Unavailable { .. } => "Your session cannot be looked up right now.",
            Rejection::Unreadable => {
                "Your session cannot be read right now. You can sign in again."
            }
            Rejection::NotFound => return Self::NOT_FOUND,
            _ => "You are not signed in on this device.",
        };
        Self {
            retry_after: rejection.retry_after(),
            rejection: Some(rejection.clone()),
            ..Self::new(rejection.status(), rejection.error(), message)
        }
    }
}

impl From<ManagerError> for ErrorResponse {
    fn from(error: ManagerError) -> Self {
        match error.kind() {
            ManagerErrorKind::LimitReached { live } => Self::limit_reached(live),
            ManagerErrorKind::Sealing => {
                tracing::error!(%error, "a session could not be sealed or opened");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong.")
            }
            _ => Rejection::from(error).into(),
        }
    }
}

impl From<TokenError> for ErrorResponse {
    fn from(error: TokenError) -> Self {
        Rejection::from(error).into()
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        if let Some(rejection) = self.rejection {
            return rejection.into_response();
        }
        let problem =
            ProblemBody { r#type: "about:blank", status: self.status.as_u16(), response: &self };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let kind = (CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = (self.status, [kind], body).into_response();
        if let Some((name, value)) = self.retry_after() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl ErrorResponse {
    /// Returns the header `Retry-After`, in seconds, rounded up.
    pub(crate) fn retry_after(&self) -> Option<(HeaderName, HeaderValue)> {
        let span = self.retry_after?;
        let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
        Some((RETRY_AFTER, HeaderValue::from(seconds.max(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_is_a_problem_document() {
        let error = ErrorResponse::unavailable("Away.", Some(Duration::from_millis(1500)));
        let response = error.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["error"], "unavailable");
        assert_eq!(json["status"], 503);
        assert!(json.get("live").is_none());
    }

    #[tokio::test]
    async fn an_ended_session_gets_the_response_of_the_layer() {
        let response = ErrorResponse::from(Rejection::Ended(session_core::EndReason::Evicted));
        let response = response.into_response();
        assert_eq!(response.status(), 401);
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&json["error"], &json["reason"]),
            (&"unauthenticated".into(), &"evicted".into())
        );
    }
}

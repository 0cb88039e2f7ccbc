//! What is answered instead of what was asked for (RFC 9457).

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use session_core::manager::{ManagerError, ManagerErrorKind, TokenError};
use session_tower::Rejection;

/// When to come back to a store or provider that is away and says nothing of it.
const SOON: Duration = Duration::from_secs(1);

/// An answer that says why something was not done.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    /// What happened, for programs.
    error: &'static str,
    /// What happened, for people.
    #[serde(rename = "title")]
    pub(crate) says: &'static str,
    /// How many live sessions hold every place.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<usize>,
    #[serde(skip)]
    retry_after: Option<Duration>,
    /// The session itself is the matter: the layer's crate knows how to answer that.
    #[serde(skip)]
    session: Option<Rejection>,
}

/// The members that RFC 9457 gives every problem.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    status: u16,
    #[serde(flatten)]
    refusal: &'a Refusal,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, error: &'static str, says: &'static str) -> Self {
        Self { status, error, says, live: None, retry_after: None, session: None }
    }

    /// There is no such session, or it is somebody else's: the same answer.
    pub(crate) const NOT_FOUND: Self =
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is no such device.");

    /// The sign-in came to nothing.
    pub(crate) const fn sign_in(error: &'static str, says: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, says)
    }

    /// Something is away; the same request may go well later.
    pub(crate) fn unavailable(says: &'static str, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after: Some(retry_after.unwrap_or(SOON)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", says)
        }
    }

    const fn limit_reached(live: usize) -> Self {
        let says = "All places are taken: sign out on one of your devices first.";
        Self { live: Some(live), ..Self::new(StatusCode::CONFLICT, "limit_reached", says) }
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Rejection> for Refusal {
    fn from(failure: Rejection) -> Self {
        let says = match failure {
            Rejection::Unavailable { .. } => "Your sign-in cannot be looked up now.",
            Rejection::Unreadable => "Your sign-in cannot be read now. Signing in anew works.",
            Rejection::NotFound => return Self::NOT_FOUND,
            _ => "You are not signed in on this device.",
        };
        Self {
            retry_after: failure.retry_after(),
            session: Some(failure),
            ..Self::new(failure.status(), failure.error(), says)
        }
    }
}

impl From<ManagerError> for Refusal {
    fn from(error: ManagerError) -> Self {
        match error.kind() {
            ManagerErrorKind::LimitReached { live } => Self::limit_reached(live),
            ManagerErrorKind::Sealing => {
                tracing::error!(%error, "a session could not be changed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong.")
            }
            _ => Rejection::from(error).into(),
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Rejection::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Some(failure) = self.session {
            return failure.into_response();
        }
        let problem =
            Problem { r#type: "about:blank", status: self.status.as_u16(), refusal: &self };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let kind = (CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = (self.status, [kind], body).into_response();
        if let Some((name, value)) = self.retry_after() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl Refusal {
    /// The header `Retry-After`, in whole seconds, rounded up.
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
    async fn a_refusal_is_a_problem_document() {
        let answer = Refusal::unavailable("Away.", Some(Duration::from_millis(1500)));
        let response = answer.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["error"], "unavailable");
        assert_eq!(json["status"], 503);
        assert!(json.get("live").is_none());
    }

    #[tokio::test]
    async fn an_ended_session_is_answered_as_the_layer_does() {
        let response = Refusal::from(Rejection::Ended(session_core::EndReason::Evicted));
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

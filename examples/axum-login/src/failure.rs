//! What a failed request is answered with.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_login::Error;
use session_tower::Rejection;

use crate::users::Users;

/// A request failed: here, or at the sessions.
pub(crate) enum Failure {
    Application(Error<Users>),
    Session(Rejection),
}

impl From<Error<Users>> for Failure {
    fn from(error: Error<Users>) -> Self {
        Self::Application(error)
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Session(rejection)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Session(rejection) => rejection.into_response(),
            Self::Application(error) => {
                tracing::error!(%error, "the application's own sign-in failed");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

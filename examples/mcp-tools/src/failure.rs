//! Why a tool was not called, and how that is answered.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rmcp::ServiceError;
use rmcp::service::ClientInitializeError;
use serde_json::json;
use session_core::manager::ManagerError;
use session_tower::Rejection;

/// Why a tool was not called.
pub(crate) enum ToolFailure {
    /// There is no connection, or its tokens are no longer valid: the user connects the tool server.
    ConnectAgain,
    /// The sessions cannot answer.
    Rejected(Rejection),
    /// The tool server is away, or refuses the call.
    Unavailable,
    UnknownServer,
}

impl ToolFailure {
    fn of(is_authorization_required: bool, error: &dyn std::error::Error) -> Self {
        match is_authorization_required {
            true => Self::ConnectAgain,
            false => {
                tracing::warn!(%error, "a tool was not called");
                Self::Unavailable
            }
        }
    }
}

impl From<ManagerError> for ToolFailure {
    fn from(error: ManagerError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<ClientInitializeError> for ToolFailure {
    fn from(error: ClientInitializeError) -> Self {
        Self::of(error.is_authorization_required(), &error)
    }
}

impl From<ServiceError> for ToolFailure {
    fn from(error: ServiceError) -> Self {
        Self::of(error.is_authorization_required(), &error)
    }
}

impl IntoResponse for ToolFailure {
    fn into_response(self) -> Response {
        let (status, error, message) = match self {
            Self::Rejected(rejection) => return rejection.into_response(),
            Self::ConnectAgain => {
                (StatusCode::CONFLICT, "connect_again", "Connect the tool again.")
            }
            Self::Unavailable => {
                (StatusCode::BAD_GATEWAY, "tool_failed", "The tool did not answer.")
            }
            Self::UnknownServer => {
                (StatusCode::NOT_FOUND, "unknown_server", "There is no such tool.")
            }
        };
        (status, Json(json!({ "error": error, "message": message }))).into_response()
    }
}

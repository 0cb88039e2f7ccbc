//! Why a tool server was not connected, and how that is answered.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use session_core::manager::{ManagerError, ManagerErrorKind};
use session_core::middleware::ErrorChain;
use session_core::provider::openid::{SetupError, SignInError, SignInErrorKind};

use crate::failure_page::FailurePage;

/// A tool server was not connected. The sources say why, for the log; no message contains a secret.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ConnectFailure {
    kind: ConnectFailureKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`ConnectFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectFailureKind {
    /// The user or the authorization server refused: 400.
    Denied,
    /// The connection took too long, or its code was used already: 400.
    Expired,
    /// What came back does not hold, such as another issuer: 400.
    Invalid,
    /// The policy allows no further connection of this tool server: 409.
    LimitReached,
    /// The metadata are not acceptable, or the application is not registered: 500. The source says
    /// what.
    Misconfigured,
    /// No user is signed in any more: 401.
    NotSignedIn,
    /// Another user is signed in than the one who has begun the connection: 403.
    OtherUser,
    /// The tool server, its authorization server or the store cannot be reached: 503.
    Unavailable,
    /// The connection was not begun in this browser, or has ended already: 400 (R9).
    Unknown,
    /// There is no tool server of this name: 404.
    UnknownServer,
}

impl ConnectFailureKind {
    const fn status(self) -> StatusCode {
        match self {
            Self::Denied | Self::Expired | Self::Invalid | Self::Unknown => StatusCode::BAD_REQUEST,
            Self::LimitReached => StatusCode::CONFLICT,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotSignedIn => StatusCode::UNAUTHORIZED,
            Self::OtherUser => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnknownServer => StatusCode::NOT_FOUND,
        }
    }

    /// Returns the error code, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Denied => "access_denied",
            Self::Expired => "connection_expired",
            Self::Invalid => "connection_failed",
            Self::LimitReached => "limit_reached",
            Self::Misconfigured => "internal",
            Self::NotSignedIn => "unauthenticated",
            Self::OtherUser => "other_user",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown_connection",
            Self::UnknownServer => "unknown_server",
        }
    }
}

impl fmt::Display for ConnectFailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "The tool was not connected, because access was denied.",
            Self::Expired => "Connecting the tool took too long. Please connect it again.",
            Self::Invalid => "The tool was not connected. Please connect it again.",
            Self::LimitReached => "This tool is connected too often. Remove a connection first.",
            Self::Misconfigured => "The tool cannot be connected. Please tell the operator.",
            Self::NotSignedIn => "You are signed out. Please sign in, and connect the tool again.",
            Self::OtherUser => {
                "Another user has begun to connect this tool. Please connect it again."
            }
            Self::Unavailable => "The tool cannot be connected right now. Please try again.",
            Self::Unknown => {
                "This connection was not started in this browser, or has already ended. Please \
                 connect the tool again."
            }
            Self::UnknownServer => "There is no such tool.",
        })
    }
}

impl ConnectFailure {
    pub(super) const fn new(kind: ConnectFailureKind) -> Self {
        Self { kind, source: None }
    }

    pub(super) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> ConnectFailureKind {
        self.kind
    }

    /// Returns the status that it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Builds the response: a plain page for a browser that shows one, otherwise a problem document.
    #[must_use]
    pub fn response(&self, headers: &HeaderMap) -> Response<Bytes> {
        self.response_with(None, headers)
    }

    /// Builds the response with the error and its causes, for development.
    pub(super) fn explained_response(&self, headers: &HeaderMap) -> Response<Bytes> {
        self.response_with(Some(ErrorChain(self).to_string()), headers)
    }

    fn response_with(&self, detail: Option<String>, headers: &HeaderMap) -> Response<Bytes> {
        let page = FailurePage {
            heading: "Connect a tool",
            status: self.status(),
            code: self.kind.code(),
            message: &self.kind.to_string(),
            detail,
            live: None,
        };
        page.response(headers)
    }

    pub(super) fn log(&self) {
        match self.status().is_server_error() {
            true => tracing::warn!(error = %ErrorChain(self), "a tool server was not connected"),
            false => tracing::info!(error = %ErrorChain(self), "a tool server was not connected"),
        }
    }
}

impl From<SetupError> for ConnectFailure {
    fn from(error: SetupError) -> Self {
        let kind = match error.is_transient() {
            true => ConnectFailureKind::Unavailable,
            false => ConnectFailureKind::Misconfigured,
        };
        Self::new(kind).caused_by(error)
    }
}

impl From<SignInError> for ConnectFailure {
    fn from(error: SignInError) -> Self {
        let kind = match error.kind() {
            _ if error.is_transient() => ConnectFailureKind::Unavailable,
            SignInErrorKind::Denied => ConnectFailureKind::Denied,
            SignInErrorKind::Expired | SignInErrorKind::CodeRefused => ConnectFailureKind::Expired,
            SignInErrorKind::State => ConnectFailureKind::Unknown,
            SignInErrorKind::Provider => ConnectFailureKind::Misconfigured,
            _ => ConnectFailureKind::Invalid,
        };
        Self::new(kind).caused_by(error)
    }
}

impl From<ManagerError> for ConnectFailure {
    fn from(error: ManagerError) -> Self {
        let kind = match error.kind() {
            ManagerErrorKind::LimitReached { .. } => ConnectFailureKind::LimitReached,
            _ if error.is_transient() => ConnectFailureKind::Unavailable,
            _ => ConnectFailureKind::Misconfigured,
        };
        Self::new(kind).caused_by(error)
    }
}

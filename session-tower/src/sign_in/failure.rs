//! Why a sign-in did not begin or did not complete, and how that is answered.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use session_core::manager::{ManagerError, ManagerErrorKind};
use session_core::middleware::ErrorChain;
use session_core::provider::openid::{SetupError, SignInError, SignInErrorKind};

use super::full_cap::FullCap;
use super::users::RefusedUser;
use crate::failure_page::FailurePage;

/// A sign-in did not begin or did not complete.
///
/// The sources say why, for the log; no message contains a secret.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct SignInFailure {
    kind: SignInFailureKind,
    /// What the application tells the user, if it has refused.
    message: Option<String>,
    /// The number of the user's sessions, if the cap is reached.
    live: Option<usize>,
    /// Whose devices the user may choose from then.
    full_cap: Option<Box<FullCap>>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`SignInFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInFailureKind {
    /// The user or the provider refused: 400.
    Denied,
    /// The sign-in took too long, or its code was used already: 400.
    Expired,
    /// The user has not authenticated as recently or as strongly as was asked for: 403.
    InsufficientAuthentication,
    /// What came back does not hold: another issuer, a wrong nonce, an invalid ID token: 400.
    Invalid,
    /// The user has the maximum number of sessions, and the policy refuses one more: 409.
    LimitReached,
    /// The sign-in cannot be begun or completed, by a fault of the application or its registration
    /// at the provider: 500.
    Misconfigured,
    /// The session would be for the user whom the application knows, and it knows none: 401.
    NotSignedIn,
    /// Another user has authenticated than the one whose session was to go on: 403.
    OtherUser,
    /// The application refuses the user: 403.
    Refused,
    /// The provider or the store cannot be reached: 503.
    Unavailable,
    /// The sign-in was not begun in this browser, or has ended already: 400 (R9).
    Unknown,
    /// There is no provider of this name: 404.
    UnknownProvider,
}

impl SignInFailureKind {
    const fn status(self) -> StatusCode {
        match self {
            Self::Denied | Self::Expired | Self::Invalid | Self::Unknown => StatusCode::BAD_REQUEST,
            Self::LimitReached => StatusCode::CONFLICT,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotSignedIn => StatusCode::UNAUTHORIZED,
            Self::InsufficientAuthentication | Self::OtherUser | Self::Refused => {
                StatusCode::FORBIDDEN
            }
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnknownProvider => StatusCode::NOT_FOUND,
        }
    }

    /// Returns the error code, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Denied => "access_denied",
            Self::Expired => "sign_in_expired",
            Self::InsufficientAuthentication => "insufficient_user_authentication",
            Self::Invalid => "sign_in_failed",
            Self::LimitReached => "limit_reached",
            Self::Misconfigured => "internal",
            Self::NotSignedIn => "not_signed_in",
            Self::OtherUser => "other_user",
            Self::Refused => "user_refused",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown_sign_in",
            Self::UnknownProvider => "unknown_provider",
        }
    }
}

impl fmt::Display for SignInFailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => "The identity provider did not sign you in.",
            Self::Expired => "The sign-in took too long. Please sign in again.",
            Self::InsufficientAuthentication => {
                "The identity provider did not confirm who you are in the way that this page needs."
            }
            Self::Invalid => "The sign-in failed. Please sign in again.",
            Self::LimitReached => {
                "You are signed in on too many devices. Sign out on one of them first."
            }
            Self::Misconfigured => "The sign-in does not work. Please tell the operator.",
            Self::NotSignedIn => "You are not signed in to this site. Please sign in to it first.",
            Self::OtherUser => {
                "You have confirmed another account than the one you are signed in with. Please sign \
                 out first to change it."
            }
            Self::Refused => "You may not sign in here.",
            Self::Unavailable => "Signing in is not possible right now. Please try again.",
            Self::Unknown => {
                "This sign-in was not started in this browser, or has already ended. Please sign in \
                 again."
            }
            Self::UnknownProvider => "There is no such identity provider.",
        })
    }
}

impl SignInFailure {
    pub(super) const fn new(kind: SignInFailureKind) -> Self {
        Self { kind, message: None, live: None, full_cap: None, source: None }
    }

    pub(super) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Keeps whose devices fill the cap, if that is the failure.
    pub(super) fn at_full_cap(mut self, full: FullCap) -> Self {
        let is_full = self.kind == SignInFailureKind::LimitReached;
        self.full_cap = is_full.then(|| Box::new(full));
        self
    }

    pub(super) fn full_cap(&self) -> Option<&FullCap> {
        self.full_cap.as_deref()
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> SignInFailureKind {
        self.kind
    }

    /// Returns the status that it is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// Returns what the user is told.
    #[must_use]
    pub fn message(&self) -> String {
        self.message.clone().unwrap_or_else(|| self.kind.to_string())
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
            heading: "Sign-in",
            status: self.status(),
            code: self.kind.code(),
            message: &self.message(),
            detail,
            live: self.live,
        };
        page.response(headers)
    }
}

impl From<SetupError> for SignInFailure {
    fn from(error: SetupError) -> Self {
        let kind = match error.is_transient() {
            true => SignInFailureKind::Unavailable,
            false => SignInFailureKind::Misconfigured,
        };
        Self::new(kind).caused_by(error)
    }
}

impl From<SignInError> for SignInFailure {
    fn from(error: SignInError) -> Self {
        let kind = match error.kind() {
            _ if error.is_transient() => SignInFailureKind::Unavailable,
            SignInErrorKind::Authentication => SignInFailureKind::InsufficientAuthentication,
            SignInErrorKind::Denied => SignInFailureKind::Denied,
            SignInErrorKind::Expired | SignInErrorKind::CodeRefused => SignInFailureKind::Expired,
            SignInErrorKind::State => SignInFailureKind::Unknown,
            SignInErrorKind::Provider => SignInFailureKind::Misconfigured,
            _ => SignInFailureKind::Invalid,
        };
        Self::new(kind).caused_by(error)
    }
}

impl From<ManagerError> for SignInFailure {
    fn from(error: ManagerError) -> Self {
        let (kind, live) = match error.kind() {
            ManagerErrorKind::LimitReached { live } => {
                (SignInFailureKind::LimitReached, Some(live))
            }
            ManagerErrorKind::OtherUser => (SignInFailureKind::OtherUser, None),
            _ if error.is_transient() => (SignInFailureKind::Unavailable, None),
            _ => (SignInFailureKind::Misconfigured, None),
        };
        Self { live, ..Self::new(kind).caused_by(error) }
    }
}

impl From<RefusedUser> for SignInFailure {
    fn from(refused: RefusedUser) -> Self {
        let kind = match refused.is_transient {
            true => SignInFailureKind::Unavailable,
            false => SignInFailureKind::Refused,
        };
        let message = Some(refused.message.clone()).filter(|message| !message.is_empty());
        Self { message, ..Self::new(kind).caused_by(refused) }
    }
}

/// Builds the response to a failed sign-in.
pub(super) struct FailureResponse(pub(super) Box<AnswerFailure>);

pub(super) type AnswerFailure =
    dyn Fn(&SignInFailure, &HeaderMap) -> Response<Bytes> + Send + Sync + 'static;

impl fmt::Debug for FailureResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FailureResponse")
    }
}

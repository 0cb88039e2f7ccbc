//! Why a call on behalf of a session failed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use session_core::manager::TokenError;

/// Why a call on behalf of a session failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutgoingError<E> {
    /// The request is for an origin that may not get a token; it was not sent.
    NotAllowed {
        /// The scheme, host and port of the request.
        origin: String,
    },
    /// There is no valid access token; the request was not sent, or was rejected with the old one.
    Token(TokenError),
    /// The provider has issued an access token that no header can carry.
    MalformedToken,
    /// The access token is bound to a key (DPoP, RFC 9449), and no proof can be made with it: the
    /// request was not sent. The cause says why: no key is known, or this crate is built without the
    /// feature `dpop`.
    NoProof(Box<dyn Error + Send + Sync>),
    /// The client failed.
    Call(E),
}

impl<E> OutgoingError<E> {
    /// Returns whether the user must sign in again, or a tool client must be connected again.
    #[must_use]
    pub const fn needs_sign_in(&self) -> bool {
        matches!(self, Self::Token(error) if error.needs_sign_in())
    }

    /// Returns whether the same call may succeed later. Whether an error of the client is transient,
    /// the client knows.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Token(error) if error.is_transient())
    }

    /// Returns how long to wait before trying again, if that may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Token(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Returns why there is no access token, if that is the error.
    #[must_use]
    pub const fn token_error(&self) -> Option<&TokenError> {
        match self {
            Self::Token(error) => Some(error),
            _ => None,
        }
    }
}

impl<E> fmt::Display for OutgoingError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed { origin } => write!(
                f,
                "{origin} may not get access tokens: allow it by `OutgoingLayer::allow`, or leave \
                 the session out of the request's extensions"
            ),
            Self::Token(error) => error.fmt(f),
            Self::MalformedToken => {
                f.write_str("the access token has characters that no header carries")
            }
            Self::NoProof(_) => f.write_str(
                "the access token is bound to a key, and is not sent without a proof (DPoP)",
            ),
            Self::Call(_) => f.write_str("the call to the other service failed"),
        }
    }
}

impl<E: Error + 'static> Error for OutgoingError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotAllowed { .. } | Self::MalformedToken => None,
            // Its text is this error's text.
            Self::Token(error) => error.source(),
            Self::NoProof(error) => Some(&**error),
            Self::Call(error) => Some(error),
        }
    }
}

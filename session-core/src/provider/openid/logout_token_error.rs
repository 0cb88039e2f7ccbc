//! Why a logout token is refused.

use std::error::Error;
use std::fmt;

use super::signed_token::SignedTokenError;
#[cfg(doc)]
use crate::provider::ProviderError;

/// A logout token is refused, or cannot be verified now. Never contains the token.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct LogoutTokenError {
    kind: LogoutTokenErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`LogoutTokenError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogoutTokenErrorKind {
    /// It is signed by an algorithm that the provider does not announce, or not at all (B1).
    Algorithm,
    /// It is for another client (B1).
    Audience,
    /// It does not report a logout (B3).
    Event,
    /// It is from another issuer (B1).
    Issuer,
    /// It is not a signed JSON web token.
    Malformed,
    /// A claim is missing: `iat`, `exp` or `jti` (B1).
    Missing {
        /// The claim.
        claim: &'static str,
    },
    /// It has a nonce, as an ID token has (B3).
    Nonce,
    /// No key of the provider has signed it (B1).
    Signature,
    /// It names neither a valid `sub` nor a `sid` (B3).
    Target,
    /// It is too old, or from the future (B1).
    Time,
    /// Its `typ` is not `logout+jwt` (B2).
    Type,
    /// The provider's keys cannot be fetched now; the source is a [`ProviderError`].
    Unavailable,
}

impl fmt::Display for LogoutTokenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => {
                "the logout token has an algorithm that the provider does not announce"
            }
            Self::Audience => "the logout token is for another client",
            Self::Event => "the logout token does not report a logout",
            Self::Issuer => "the logout token is from another issuer",
            Self::Malformed => "the logout token is not a signed JSON web token",
            Self::Missing { claim } => return write!(f, "the logout token has no valid {claim}"),
            Self::Nonce => "the logout token has a nonce",
            Self::Signature => "no key of the provider has signed the logout token",
            Self::Target => "the logout token names neither a valid sub nor a sid",
            Self::Time => "the logout token is too old, or from the future",
            Self::Type => "the typ of the logout token is not logout+jwt",
            Self::Unavailable => "the keys of the provider cannot be fetched now",
        })
    }
}

impl LogoutTokenError {
    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> LogoutTokenErrorKind {
        self.kind
    }

    /// Returns whether the same token may be verified later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, LogoutTokenErrorKind::Unavailable)
    }
}

impl From<LogoutTokenErrorKind> for LogoutTokenError {
    fn from(kind: LogoutTokenErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<SignedTokenError> for LogoutTokenError {
    fn from(error: SignedTokenError) -> Self {
        let kind = match error {
            SignedTokenError::Algorithm => LogoutTokenErrorKind::Algorithm,
            SignedTokenError::Malformed => LogoutTokenErrorKind::Malformed,
            SignedTokenError::Signature => LogoutTokenErrorKind::Signature,
            SignedTokenError::Type => LogoutTokenErrorKind::Type,
            SignedTokenError::Unavailable(error) => {
                let source = Some(Box::new(error).into());
                return Self { kind: LogoutTokenErrorKind::Unavailable, source };
            }
        };
        kind.into()
    }
}

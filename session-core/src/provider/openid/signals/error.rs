//! Why a signal is refused.

use std::error::Error;
use std::fmt;

#[cfg(doc)]
use crate::provider::ProviderError;
use crate::provider::openid::signed_token::SignedTokenError;

/// A signal is refused, or cannot be verified now. Never contains the token.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct SignalError {
    kind: SignalErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`SignalError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignalErrorKind {
    /// It is signed by an algorithm that is not accepted, or not at all (B8).
    Algorithm,
    /// It is for another recipient (B8).
    Audience,
    /// It is from another issuer (B8).
    Issuer,
    /// It is not a signed JSON web token.
    Malformed,
    /// A claim is missing or invalid (B8).
    Missing {
        /// The claim.
        claim: &'static str,
    },
    /// No key of the issuer has signed it (B8).
    Signature,
    /// It is about a subject of a format that is not supported (B9).
    Subject,
    /// It is too old, or from the future (B8).
    Time,
    /// It is a token of another type (B8).
    Type,
    /// The issuer's keys cannot be fetched now; the source is a [`ProviderError`].
    Unavailable,
}

impl fmt::Display for SignalErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithm => "the token has an algorithm that is not accepted",
            Self::Audience => "the token is for another recipient",
            Self::Issuer => "the token is from another issuer",
            Self::Malformed => "the token is not a signed JSON web token",
            Self::Missing { claim } => return write!(f, "the token has no valid {claim}"),
            Self::Signature => "no key of the issuer has signed the token",
            Self::Subject => "the token names a subject of a format that is not supported",
            Self::Time => "the token is too old, or from the future",
            Self::Type => "the token is of another type",
            Self::Unavailable => "the keys of the issuer cannot be fetched now",
        })
    }
}

impl SignalError {
    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> SignalErrorKind {
        self.kind
    }

    /// Returns whether the same token may be verified later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, SignalErrorKind::Unavailable)
    }
}

impl From<SignalErrorKind> for SignalError {
    fn from(kind: SignalErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<SignedTokenError> for SignalError {
    fn from(error: SignedTokenError) -> Self {
        let kind = match error {
            SignedTokenError::Algorithm => SignalErrorKind::Algorithm,
            SignedTokenError::Malformed => SignalErrorKind::Malformed,
            SignedTokenError::Signature => SignalErrorKind::Signature,
            SignedTokenError::Type => SignalErrorKind::Type,
            SignedTokenError::Unavailable(error) => {
                let source = Some(Box::new(error).into());
                return Self { kind: SignalErrorKind::Unavailable, source };
            }
        };
        kind.into()
    }
}

//! Errors of a sign-in.

use std::error::Error;
use std::fmt;

use crate::provider::{ProviderError, ProviderErrorKind};

/// A sign-in failed. The record of the sign-in cannot be used again.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct SignInError {
    kind: SignInErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`SignInError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInErrorKind {
    /// The user has not authenticated as recently or as strongly as was asked for; the source says
    /// which.
    Authentication,
    /// The code is no longer valid: used, too old, or of another client or PKCE challenge.
    CodeRefused,
    /// The user or the provider refused; the source has the error code of the protocol.
    Denied,
    /// The sign-in began more than ten minutes ago.
    Expired,
    /// The ID token is missing or invalid.
    IdToken,
    /// The callback comes from another issuer than the one that was asked (RFC 9207).
    Issuer,
    /// The callback has neither a code nor an error.
    MissingCode,
    /// The token endpoint returned no tokens; the source is a [`ProviderError`].
    Provider,
    /// The callback is not for this sign-in: it is for another tab, or forged (R9).
    State,
}

impl fmt::Display for SignInErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authentication => "the user has not authenticated as was asked for",
            Self::CodeRefused => "the authorization code is no longer valid: sign in again",
            Self::Denied => "the provider did not sign the user in",
            Self::Expired => "the sign-in took longer than ten minutes: sign in again",
            Self::IdToken => "the ID token is missing or invalid",
            Self::Issuer => "the callback is from another issuer",
            Self::MissingCode => "the callback has no authorization code",
            Self::Provider => "the provider returned no tokens",
            Self::State => "the callback is not for this sign-in",
        })
    }
}

impl SignInError {
    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> SignInErrorKind {
        self.kind
    }

    /// Returns whether a new sign-in may succeed later: the provider is unavailable or overloaded.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let provider = self.source.as_ref().and_then(|source| source.downcast_ref());
        provider.is_some_and(|error: &ProviderError| {
            let kind = error.kind();
            matches!(kind, ProviderErrorKind::Throttled | ProviderErrorKind::Unavailable)
        })
    }

    pub(super) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }
}

impl From<SignInErrorKind> for SignInError {
    fn from(kind: SignInErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<ProviderError> for SignInError {
    fn from(error: ProviderError) -> Self {
        let kind = if error.is_refused() {
            SignInErrorKind::CodeRefused
        } else {
            SignInErrorKind::Provider
        };
        Self::from(kind).caused_by(error)
    }
}

/// The error code of the protocol, without any other text of the callback.
#[derive(Debug, thiserror::Error)]
#[error("the provider answered {0}")]
pub(super) struct DenialCode(pub(super) &'static str);

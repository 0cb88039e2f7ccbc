//! Why a sign-in came to nothing.

use std::error::Error;
use std::fmt;

use crate::provider::{ProviderError, ProviderErrorKind};

/// A sign-in came to nothing; nobody is signed in, and it cannot be completed again.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct SignInError {
    kind: SignInErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What came between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignInErrorKind {
    /// The code is not good any more: used, too old, or of another client or PKCE challenge.
    CodeRefused,
    /// The person or the provider said no; the source says in which word of the protocol.
    Denied,
    /// The sign-in began more than ten minutes ago.
    Expired,
    /// The ID token is missing or does not hold.
    IdToken,
    /// The answer is from another issuer than the question went to (RFC 9207).
    Issuer,
    /// The answer has neither a code nor an error.
    MissingCode,
    /// The token endpoint did not give tokens; the source is a [`ProviderError`].
    Provider,
    /// The answer is not for this sign-in: another tab's, or forged (R9).
    State,
}

impl fmt::Display for SignInErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CodeRefused => "the authorization code is not good any more",
            Self::Denied => "the provider did not sign the person in",
            Self::Expired => "the sign-in took too long",
            Self::IdToken => "the ID token does not hold",
            Self::Issuer => "the answer is from another issuer",
            Self::MissingCode => "the answer has no authorization code",
            Self::Provider => "the provider gave no tokens",
            Self::State => "the answer is not for this sign-in",
        })
    }
}

impl SignInError {
    /// What came between.
    #[must_use]
    pub const fn kind(&self) -> SignInErrorKind {
        self.kind
    }

    /// Whether a new sign-in may go well a little later: the provider is away or overloaded.
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

/// The protocol's word for why there is no code, and nothing else of what the address said.
#[derive(Debug, thiserror::Error)]
#[error("the provider answered {0}")]
pub(super) struct DenialCode(pub(super) &'static str);

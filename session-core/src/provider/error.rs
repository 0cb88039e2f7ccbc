//! What can go wrong at a provider.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A provider could not do what it was asked, or would not.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ProviderError {
    kind: ProviderErrorKind,
    retry_after: Option<Duration>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of trouble it is; only [`Refused`](Self::Refused) ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// The answer is not one that the protocol knows.
    Malformed,
    /// The provider does not accept this client (`invalid_client` and its like): a fault of the
    /// configuration, which must not end anybody's session (F42).
    Misconfigured,
    /// The refresh token is no longer good: a 4xx answer with the JSON error `invalid_grant`.
    Refused,
    /// The provider asked to be left alone for a while (429).
    Throttled,
    /// The network failed, or the provider did (5xx).
    Unavailable,
    /// The provider does not offer this.
    Unsupported,
}

impl fmt::Display for ProviderErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the provider's answer cannot be understood",
            Self::Misconfigured => "the provider does not accept this client",
            Self::Refused => "the provider refused the refresh token",
            Self::Throttled => "the provider asks for fewer requests",
            Self::Unavailable => "the provider is away",
            Self::Unsupported => "the provider does not offer this",
        })
    }
}

impl ProviderError {
    /// An error of this kind.
    #[must_use]
    pub const fn new(kind: ProviderErrorKind) -> Self {
        Self { kind, retry_after: None, source: None }
    }

    /// This error with the time that the provider asked to be left alone (`Retry-After`).
    #[must_use]
    pub const fn retry_after(mut self, span: Option<Duration>) -> Self {
        self.retry_after = span;
        self
    }

    /// This error with its cause, which must not hold a token.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> ProviderErrorKind {
        self.kind
    }

    /// How long the provider asked to be left alone.
    #[must_use]
    pub const fn asks_to_wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the refresh token is no longer good.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.kind, ProviderErrorKind::Refused)
    }
}

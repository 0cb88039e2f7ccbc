//! Errors of a provider.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A provider could not carry out a request, or refused it.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ProviderError {
    kind: ProviderErrorKind,
    retry_after: Option<Duration>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`ProviderError`]; only [`Refused`](Self::Refused) ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// The response does not follow the protocol.
    Malformed,
    /// The provider does not accept this client (`invalid_client`, `unauthorized_client`): an error
    /// of the configuration, which must not end a session (F42). All sessions of the provider wait.
    Misconfigured,
    /// The refresh token is no longer valid: a 4xx response with the JSON error `invalid_grant`.
    Refused,
    /// The provider rejected this request for another reason (4xx): trouble of this session alone.
    Rejected,
    /// The provider asks for fewer requests (429).
    Throttled,
    /// The network failed, or the provider did (5xx).
    Unavailable,
    /// The provider does not offer this.
    Unsupported,
}

impl fmt::Display for ProviderErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the response of the provider is malformed",
            Self::Misconfigured => {
                "the provider does not accept this client: check its id and secret"
            }
            Self::Refused => "the provider refused the refresh token",
            Self::Rejected => "the provider rejected the request",
            Self::Throttled => "the provider asks for fewer requests",
            Self::Unavailable => "the provider is unavailable",
            Self::Unsupported => "the provider does not offer this",
        })
    }
}

impl ProviderError {
    /// Creates an error of this kind.
    #[must_use]
    pub const fn new(kind: ProviderErrorKind) -> Self {
        Self { kind, retry_after: None, source: None }
    }

    /// Sets how long the provider asks to wait (`Retry-After`).
    #[must_use]
    pub const fn retry_after(mut self, span: Option<Duration>) -> Self {
        self.retry_after = span;
        self
    }

    /// Sets the cause, which must not contain a token.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> ProviderErrorKind {
        self.kind
    }

    /// Returns how long the provider asks to wait.
    #[must_use]
    pub const fn asks_to_wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns whether the refresh token is no longer valid.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        matches!(self.kind, ProviderErrorKind::Refused)
    }
}

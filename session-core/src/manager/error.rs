//! What can go wrong with a session, and what the caller can do about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::session::{EndReason, RandomnessError, Session};
use crate::store::StoreError;
use crate::token::{SealError, Unreadable};

/// A session could not be made, found or changed.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ManagerError {
    kind: ManagerErrorKind,
    candidates: Vec<Session>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManagerErrorKind {
    /// Several moved sessions could be claimed, and no subject says which: show the person the
    /// [candidates](ManagerError::candidates), and claim with what one is
    /// [counted by](crate::ProviderIdentity::cap_subject).
    Ambiguous,
    /// The session has ended.
    Ended(EndReason),
    /// The policy refuses one more session: so many live ones hold every place. Show the person
    /// the list, and let one be ended.
    LimitReached {
        /// The number of live sessions.
        live: usize,
    },
    /// There is no such session, or it is not this user's.
    NotFound,
    /// The operating system gave no randomness, or a value could not be sealed.
    Sealing,
    /// The manager is shutting down.
    ShuttingDown,
    /// The store is away: the same call may succeed later.
    Unavailable,
    /// The session's tokens do not open. Its row is kept, and signing in anew works.
    Unreadable,
}

impl fmt::Display for ManagerErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous => f.write_str("several sessions could be claimed"),
            Self::Ended(reason) => write!(f, "the session has ended: {reason}"),
            Self::LimitReached { live } => {
                write!(f, "all places are taken by {live} live sessions")
            }
            Self::NotFound => f.write_str("no such session"),
            Self::Sealing => f.write_str("the session's tokens could not be sealed"),
            Self::ShuttingDown => f.write_str("the session manager is shutting down"),
            Self::Unavailable => f.write_str("the session store is away"),
            Self::Unreadable => f.write_str("the session's tokens cannot be read"),
        }
    }
}

impl ManagerError {
    pub(crate) const fn new(kind: ManagerErrorKind) -> Self {
        Self { kind, candidates: Vec::new(), source: None }
    }

    pub(crate) const fn ambiguous(candidates: Vec<Session>) -> Self {
        Self { kind: ManagerErrorKind::Ambiguous, candidates, source: None }
    }

    fn caused_by(kind: ManagerErrorKind, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, candidates: Vec::new(), source: Some(cause.into()) }
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> ManagerErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, ManagerErrorKind::Unavailable | ManagerErrorKind::ShuttingDown)
    }

    /// The sessions that a claim without a subject could mean, the last admitted first; empty for
    /// every other kind of trouble.
    #[must_use]
    pub fn candidates(&self) -> &[Session] {
        &self.candidates
    }

    /// Why the session ended, if it did.
    #[must_use]
    pub const fn end_reason(&self) -> Option<EndReason> {
        match self.kind {
            ManagerErrorKind::Ended(reason) => Some(reason),
            _ => None,
        }
    }
}

impl From<StoreError> for ManagerError {
    fn from(error: StoreError) -> Self {
        Self::caused_by(ManagerErrorKind::Unavailable, error)
    }
}

impl From<Unreadable> for ManagerError {
    fn from(error: Unreadable) -> Self {
        Self::caused_by(ManagerErrorKind::Unreadable, error)
    }
}

impl From<SealError> for ManagerError {
    fn from(error: SealError) -> Self {
        Self::caused_by(ManagerErrorKind::Sealing, error)
    }
}

impl From<RandomnessError> for ManagerError {
    fn from(error: RandomnessError) -> Self {
        Self::caused_by(ManagerErrorKind::Sealing, error)
    }
}

/// A session has no access token to give. Many requests may wait for one renewal, so it is cheap
/// to clone.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct TokenError {
    kind: TokenErrorKind,
    #[source]
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Why there is no access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// The session has ended.
    Ended(EndReason),
    /// There is no such session.
    NotFound,
    /// The token has expired and cannot be renewed without the person; the session stays.
    SignInNeeded,
    /// The provider or the store is away; the session stays.
    Unavailable {
        /// How long to wait before trying again.
        retry_after: Duration,
    },
    /// The session's tokens do not open; its row is kept.
    Unreadable,
}

impl fmt::Display for TokenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => write!(f, "the session has ended: {reason}"),
            Self::NotFound => f.write_str("no such session"),
            Self::SignInNeeded => f.write_str("the access token has expired: sign in again"),
            Self::Unavailable { .. } => f.write_str("no valid access token can be had now"),
            Self::Unreadable => f.write_str("the session's tokens cannot be read"),
        }
    }
}

impl TokenError {
    pub(crate) const fn new(kind: TokenErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(crate) fn unavailable(retry_after: Duration) -> Self {
        Self::new(TokenErrorKind::Unavailable { retry_after })
    }

    pub(crate) fn caused_by(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(cause));
        self
    }

    /// Why there is no access token.
    #[must_use]
    pub const fn kind(&self) -> TokenErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, TokenErrorKind::Unavailable { .. })
    }

    /// How long to wait before trying again, if that may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            TokenErrorKind::Unavailable { retry_after } => Some(retry_after),
            _ => None,
        }
    }

    /// Whether the person must sign in again to get a token.
    #[must_use]
    pub const fn needs_sign_in(&self) -> bool {
        matches!(self.kind, TokenErrorKind::SignInNeeded | TokenErrorKind::Ended(_))
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::unavailable(Duration::from_secs(1)).caused_by(error)
    }
}

impl From<Unreadable> for TokenError {
    fn from(error: Unreadable) -> Self {
        Self::new(TokenErrorKind::Unreadable).caused_by(error)
    }
}

impl From<SealError> for TokenError {
    fn from(error: SealError) -> Self {
        Self::unavailable(Duration::from_secs(1)).caused_by(error)
    }
}

/// Why a manager does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A provider's pattern is empty or has an inner `*`.
    #[error("provider pattern {pattern:?} is empty or has an inner *")]
    BadPattern {
        /// The pattern.
        pattern: String,
    },
    /// There are no sealing keys.
    #[error("keyring is missing: sealing keys have no default")]
    NoKeyring,
    /// The policy cannot be built.
    #[error(transparent)]
    Policy(#[from] crate::policy::PolicyError),
    /// The store did not answer.
    #[error("the session store cannot be read")]
    Store(#[from] StoreError),
    /// A key does not open what bears its id.
    #[error("sealing key {key_id:?} does not open the stored sessions that bear its id")]
    WrongKey {
        /// The key's id.
        key_id: String,
        /// What happened.
        source: Unreadable,
    },
}

//! The errors of the manager, and what a caller can do about each.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::session::{EndReason, RandomnessError, Session};
use crate::store::StoreError;
use crate::token::{SealError, Unreadable};

/// How long a caller is asked to wait after a failure that suggests no time of its own.
pub(super) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

const STORE_REJECTED: &str =
    "the session store refused the call: check its tables, its rights and the size of the tokens";

/// The error of a call that creates, finds or changes sessions.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct ManagerError {
    kind: ManagerErrorKind,
    candidates: Vec<Session>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`ManagerError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManagerErrorKind {
    /// Several migrated sessions could be claimed, and no subject says which: let the user choose
    /// one of the [candidates](ManagerError::candidates), and claim with its
    /// [`cap_subject`](crate::session::ProviderIdentity::cap_subject).
    Ambiguous,
    /// The session has ended.
    Ended(EndReason),
    /// The policy refuses one more session, because the cap is reached: let the user end one of the
    /// listed sessions, and then sign in at the provider again.
    LimitReached {
        /// The number of live sessions.
        live: usize,
    },
    /// There is no such session, or it belongs to another user.
    NotFound,
    /// Another user, or another subject at the provider, has authenticated than the session's. Nothing
    /// was changed.
    OtherUser,
    /// A task of the call panicked, in a store or in this crate: a fault to report.
    Panicked,
    /// The operating system provided no randomness, or a value could not be sealed.
    Sealing,
    /// The manager is shutting down.
    ShuttingDown,
    /// The store refuses the call for good: a missing table or right, a value that no column takes,
    /// a row that cannot be read. The same call fails again.
    StoreRejected,
    /// The store is unavailable; the same call may succeed later.
    Unavailable,
    /// No provider of this name was added to the manager, although others were, and the tokens are to
    /// be renewed: a name that is misspelt, or a missing
    /// [`ManagerBuilder::provider`](super::ManagerBuilder::provider).
    UnknownProvider,
    /// The session's tokens cannot be read. Its row is kept, and a new sign-in works.
    Unreadable,
}

impl fmt::Display for ManagerErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous => f.write_str("several sessions could be claimed: name a subject"),
            Self::Ended(reason) => write!(f, "the session has ended: {reason}"),
            Self::LimitReached { live } => {
                write!(f, "the cap is reached with {live} live sessions: end one first")
            }
            Self::NotFound => f.write_str("no such session"),
            Self::OtherUser => f.write_str(
                "another user has authenticated than the session's: nothing was changed",
            ),
            Self::Panicked => f.write_str(
                "a task of the session manager panicked: the panic's message says where",
            ),
            Self::Sealing => f.write_str("the session's tokens could not be sealed"),
            Self::ShuttingDown => f.write_str("the session manager is shutting down"),
            Self::StoreRejected => f.write_str(STORE_REJECTED),
            Self::Unavailable => f.write_str("the session store is unavailable"),
            Self::UnknownProvider => f.write_str(
                "the manager has no provider of this name: add it with `ManagerBuilder::provider`, \
                 or correct the name of the sign-in",
            ),
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

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> ManagerErrorKind {
        self.kind
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, ManagerErrorKind::Unavailable | ManagerErrorKind::ShuttingDown)
    }

    /// Returns the sessions that a claim without a subject could mean, most recently admitted first;
    /// empty for every other kind of error.
    #[must_use]
    pub fn candidates(&self) -> &[Session] {
        &self.candidates
    }

    /// Returns why the session ended, if it did.
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
        let kind = match error.is_transient() {
            true => ManagerErrorKind::Unavailable,
            false => ManagerErrorKind::StoreRejected,
        };
        Self::caused_by(kind, error)
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

/// The error of a call that needs a valid access token. Cheap to clone, because many requests may
/// wait for one renewal.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}")]
pub struct TokenError {
    kind: TokenErrorKind,
    #[source]
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kind of a [`TokenError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// The session has ended.
    Ended(EndReason),
    /// The token has expired; a new one can be waited for.
    Expired,
    /// There is no such session, or it belongs to another user.
    NotFound,
    /// The provider issues no access token for this resource or scope; all else of the session goes
    /// on. It is asked again after a minute.
    ResourceRefused,
    /// The token has expired and cannot be renewed without a new sign-in; the session stays live.
    /// Also if the provider rejects the same refresh token (4xx) for ten minutes without saying that
    /// it is over; it is asked again a day later.
    SignInNeeded,
    /// The store refuses the call for good, such as a token that no column takes; the session stays
    /// live. The same call fails again.
    StoreRejected,
    /// The provider or the store is unavailable; the session stays live.
    Unavailable {
        /// How long to wait before trying again.
        retry_after: Duration,
    },
    /// The session's tokens cannot be read; its row is kept.
    Unreadable,
}

impl fmt::Display for TokenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(reason) => write!(f, "the session has ended: {reason}"),
            Self::Expired => f.write_str("the access token has expired: wait for a new one"),
            Self::NotFound => f.write_str("no such session"),
            Self::ResourceRefused => {
                f.write_str("the provider issues no access token for this resource and scope")
            }
            Self::SignInNeeded => f.write_str("the access token has expired: sign in again"),
            Self::StoreRejected => f.write_str(STORE_REJECTED),
            Self::Unavailable { .. } => {
                f.write_str("no valid access token can be obtained now: try again later")
            }
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

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> TokenErrorKind {
        self.kind
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, TokenErrorKind::Expired | TokenErrorKind::Unavailable { .. })
    }

    /// Returns how long to wait before trying again, if that may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            TokenErrorKind::Unavailable { retry_after } => Some(retry_after),
            _ => None,
        }
    }

    /// Returns whether the user must sign in again to get a token.
    #[must_use]
    pub const fn needs_sign_in(&self) -> bool {
        matches!(self.kind, TokenErrorKind::SignInNeeded | TokenErrorKind::Ended(_))
    }
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        let kind = match error.is_transient() {
            true => TokenErrorKind::Unavailable { retry_after: DEFAULT_RETRY_AFTER },
            false => TokenErrorKind::StoreRejected,
        };
        Self::new(kind).caused_by(error)
    }
}

impl From<Unreadable> for TokenError {
    fn from(error: Unreadable) -> Self {
        Self::new(TokenErrorKind::Unreadable).caused_by(error)
    }
}

impl From<SealError> for TokenError {
    fn from(error: SealError) -> Self {
        Self::unavailable(DEFAULT_RETRY_AFTER).caused_by(error)
    }
}

/// The reason why a manager does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A provider's pattern is empty, or has a `*` that is not at its end.
    #[error("provider pattern {pattern:?} is empty, or has a * that is not at its end")]
    BadPattern {
        /// The pattern.
        pattern: String,
    },
    /// There are no sealing keys.
    #[error("no keyring is set: sealing keys have no default")]
    NoKeyring,
    /// The default policy cannot be built.
    #[error(transparent)]
    Policy(#[from] crate::policy::PolicyError),
    /// The store is unavailable.
    #[error("the session store cannot be read")]
    Store(#[from] StoreError),
    /// A key does not open what is stored under its id.
    #[error("sealing key {key_id:?} does not open the sessions that are stored under its id")]
    WrongKey {
        /// The key's id.
        key_id: String,
        /// Why the session could not be opened.
        source: Unreadable,
    },
}

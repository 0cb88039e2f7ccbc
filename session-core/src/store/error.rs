//! What can go wrong in a store.

use std::error::Error;
use std::fmt;

/// A store could not do what it was asked.
///
/// No message of it has a secret, a token or a digest in it.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct StoreError {
    kind: StoreErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Transactions got in each other's way until all repetitions were used up.
    Contended,
    /// A row holds something that no version of this crate writes.
    Corrupt,
    /// The store refuses the statement itself: no such table, no right, a full disk.
    Rejected,
    /// The store is away, or did not answer in time.
    Unavailable,
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contended => "the session store is contended",
            Self::Corrupt => "a row of the session store cannot be read",
            Self::Rejected => "the session store rejected a statement",
            Self::Unavailable => "the session store is away",
        })
    }
}

impl StoreError {
    /// An error of this kind.
    #[must_use]
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// This error with its cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Contended | StoreErrorKind::Unavailable)
    }
}

//! Errors of a store.

use std::error::Error;
use std::fmt;

/// A store could not carry out a call.
///
/// No message contains a secret, a token or a digest.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct StoreError {
    kind: StoreErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`StoreError`] (law 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Other transactions were in the way until all repetitions were used up: try again later.
    Contended,
    /// A row holds a value that no version of this crate writes.
    Corrupt,
    /// The store refuses the statement: a missing table or right, a violated constraint, a value that
    /// no column takes. Repeating the call does not help.
    Rejected,
    /// The store cannot be reached, did not answer in time, or has no room: try again later.
    Unavailable,
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contended => "the session store is busy with other transactions",
            Self::Corrupt => "a row of the session store cannot be read",
            Self::Rejected => "the session store rejected a statement",
            Self::Unavailable => "the session store is unavailable",
        })
    }
}

impl StoreError {
    /// Creates an error of this kind.
    #[must_use]
    pub const fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Sets the cause, which must not contain a secret.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Contended | StoreErrorKind::Unavailable)
    }
}

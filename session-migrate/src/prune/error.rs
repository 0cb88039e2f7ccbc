//! The errors of a prune.

use std::error::Error;
use std::fmt;

use crate::cap::MissingMoment;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::SqlError;

/// A table could not be pruned. What was committed before stays archived.
///
/// No message contains a token, a key or the password of an address.
#[derive(Debug, thiserror::Error)]
pub struct PruneError {
    kind: PruneErrorKind,
    detail: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`PruneError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PruneErrorKind {
    /// The preset does not match the schema of the database.
    Layout,
    /// The rows that were archived are not those that were deleted; the batch was rolled back.
    Mismatch,
    /// The mapping lacks the time by which rows are to be ranked.
    MissingMoment,
    /// The table has no unique key on columns that are never `NULL`.
    NoUniqueKey,
    /// Rows of other tables refer to rows over the cap, and would be deleted or changed with them.
    Referred,
    /// The mapped table is `login_session`, which the policy prunes at each sign-in.
    SessionTable,
    /// The source cannot be read as it is mapped; the error's source says why.
    Source(SourceErrorKind),
    /// A statement that writes failed; its batch was rolled back.
    Statement,
    /// None of the table's rows can be decrypted with the given keys.
    Unreadable,
    /// The mapped table is a view.
    View,
}

impl fmt::Display for PruneErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layout => "the preset does not match the database",
            Self::Mismatch => {
                "the archived rows are not the deleted rows, and the batch was rolled back"
            }
            Self::MissingMoment => "the rows cannot be ranked",
            Self::NoUniqueKey => {
                "rows can be deleted only by a unique key whose columns are NOT NULL"
            }
            Self::Referred => {
                "deleting the rows over the cap would delete or change rows of other tables, which \
                 the archive does not hold: delete those rows first, or drop their foreign key"
            }
            Self::SessionTable => {
                "login_session cannot be pruned: the policy enforces its cap at each sign-in"
            }
            Self::Source(_) => "the source cannot be pruned",
            Self::Statement => "a statement failed, and its batch was rolled back",
            Self::Unreadable => {
                "no row can be decrypted: set the source's key, or rank all rows alike \
                 (--count all)"
            }
            Self::View => "a view cannot be pruned: map the table behind it",
        })
    }
}

impl fmt::Display for PruneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{}: {}", self.kind, self.detail)
        }
    }
}

impl PruneError {
    pub(super) const fn new(kind: PruneErrorKind) -> Self {
        Self { kind, detail: String::new(), source: None }
    }

    pub(super) fn because(kind: PruneErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None }
    }

    /// Creates the error of a statement that writes.
    pub(super) fn statement(error: impl Into<SqlError>) -> Self {
        let failed = Self::new(PruneErrorKind::Statement);
        match error.into().into_cause() {
            Some(cause) => failed.caused_by(cause),
            None => failed,
        }
    }

    fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> PruneErrorKind {
        self.kind
    }

    /// Returns whether the caller's arguments are at fault, so that trying again cannot help.
    #[must_use]
    pub const fn is_misuse(&self) -> bool {
        match self.kind {
            PruneErrorKind::Source(kind) => {
                !matches!(kind, SourceErrorKind::Connection | SourceErrorKind::Statement)
            }
            PruneErrorKind::Layout
            | PruneErrorKind::MissingMoment
            | PruneErrorKind::NoUniqueKey
            | PruneErrorKind::SessionTable
            | PruneErrorKind::View => true,
            PruneErrorKind::Mismatch
            | PruneErrorKind::Referred
            | PruneErrorKind::Statement
            | PruneErrorKind::Unreadable => false,
        }
    }
}

impl From<SourceError> for PruneError {
    fn from(error: SourceError) -> Self {
        Self::new(PruneErrorKind::Source(error.kind())).caused_by(error)
    }
}

impl From<SqlError> for PruneError {
    fn from(error: SqlError) -> Self {
        SourceError::from(error).into()
    }
}

impl From<MissingMoment> for PruneError {
    fn from(error: MissingMoment) -> Self {
        Self::because(PruneErrorKind::MissingMoment, error.to_string())
    }
}

impl From<tokio::task::JoinError> for PruneError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::new(PruneErrorKind::Statement).caused_by(error)
    }
}

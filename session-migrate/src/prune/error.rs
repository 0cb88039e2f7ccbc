//! What can go wrong with pruning.

use std::error::Error;
use std::fmt;

use crate::cap::MissingMoment;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::SqlError;

/// A table could not be pruned. What was committed before stays archived.
///
/// No message of it has a token, a key or an address's password in it.
#[derive(Debug, thiserror::Error)]
pub struct PruneError {
    kind: PruneErrorKind,
    detail: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PruneErrorKind {
    /// The source cannot be read as it is mapped; the cause says why.
    Source(SourceErrorKind),
    /// The mapped table is a view.
    View,
    /// No unique key of columns that are never `NULL` tells the table's rows apart.
    NoUniqueKey,
    /// The mapping does not have the moment by which rows are to be ranked.
    MissingMoment,
    /// A statement that writes failed; its transaction was rolled back.
    Statement,
    /// What was archived is not what was deleted; the transaction was rolled back.
    Mismatch,
}

impl fmt::Display for PruneErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "the source cannot be pruned",
            Self::View => "a view cannot be pruned: map the table that it shows",
            Self::NoUniqueKey => {
                "rows can be deleted one by one only by a key that is unique and never NULL"
            }
            Self::MissingMoment => "the rows cannot be ranked",
            Self::Statement => "a statement failed, and its batch was rolled back",
            Self::Mismatch => {
                "the rows that were archived are not those that were deleted, \
                 and the batch was rolled back"
            }
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
    pub(super) fn because(kind: PruneErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None }
    }

    pub(super) fn statement(error: impl Into<SqlError>) -> Self {
        let failed = Self::because(PruneErrorKind::Statement, "");
        match error.into().into_cause() {
            Some(cause) => failed.caused_by(cause),
            None => failed,
        }
    }

    fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> PruneErrorKind {
        self.kind
    }

    /// Whether the caller asked for what cannot be: trying again helps only with other words.
    #[must_use]
    pub const fn is_misuse(&self) -> bool {
        match self.kind {
            PruneErrorKind::Source(kind) => {
                !matches!(kind, SourceErrorKind::Connection | SourceErrorKind::Statement)
            }
            PruneErrorKind::View | PruneErrorKind::NoUniqueKey | PruneErrorKind::MissingMoment => {
                true
            }
            PruneErrorKind::Statement | PruneErrorKind::Mismatch => false,
        }
    }
}

impl From<SourceError> for PruneError {
    fn from(error: SourceError) -> Self {
        Self::because(PruneErrorKind::Source(error.kind()), "").caused_by(error)
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

//! What can go wrong with a migration.

use std::error::Error;
use std::fmt;

use crate::source::SourceError;
use crate::sql::{SqlError, SqlErrorKind};

/// A migration could not be done.
///
/// No message of it has a token, a key, a cookie or an address's password in it.
#[derive(Debug, thiserror::Error)]
pub struct MigrateError {
    kind: MigrateErrorKind,
    detail: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MigrateErrorKind {
    /// The address is not one of a database that this build speaks to.
    Address,
    /// The rows are in the many-session layout already.
    AlreadyMoved,
    /// Another process is at work on this database.
    Busy,
    /// The caller asked to stop.
    Cancelled,
    /// No connection to the database.
    Connection,
    /// Source and target differ, so the target was not opened.
    Differs,
    /// The target's sealing keys are missing, or are none.
    Keys,
    /// This process has lost its right to work on the move.
    Lost,
    /// There is no such move in the target.
    NoMove,
    /// What was asked for does not fit how far the move is.
    Phase,
    /// The source cannot be read as it is mapped.
    Source,
    /// The plan is not the one that would be carried out now.
    StalePlan,
    /// A statement failed.
    Statement,
    /// The target's tables are not those that are written to.
    Target,
    /// No row of the source opens with the key that was given.
    Unreadable,
    /// The words of the call do not fit each other.
    Usage,
}

impl fmt::Display for MigrateErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => {
                "the address is not one of a supported database \
                 (sqlite://FILE, postgres://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME)"
            }
            Self::AlreadyMoved => "the database has many sessions a user already",
            Self::Busy => "another process is migrating this database",
            Self::Cancelled => "stopped, as was asked; run it again to go on",
            Self::Connection => "the database cannot be reached",
            Self::Differs => "source and target differ",
            Self::Keys => "the target's sealing keys cannot be used",
            Self::Lost => "another process has taken this move over",
            Self::NoMove => "there is no such move",
            Self::Phase => "the move is not that far",
            Self::Source => "the source cannot be read",
            Self::StalePlan => "the plan is stale",
            Self::Statement => "a statement of the migration failed",
            Self::Target => "the target's tables do not fit",
            Self::Unreadable => "no row opens with the given key",
            Self::Usage => "the call does not fit",
        })
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.detail.is_empty()) {
            // The cause says more, and the reader of one line needs it first.
            (MigrateErrorKind::Source, _) => match &self.source {
                Some(source) => write!(f, "{source}"),
                None => write!(f, "{}", self.kind),
            },
            (_, true) => write!(f, "{}", self.kind),
            (_, false) => write!(f, "{}: {}", self.kind, self.detail),
        }
    }
}

impl MigrateError {
    pub(crate) const fn new(kind: MigrateErrorKind) -> Self {
        Self { kind, detail: String::new(), source: None }
    }

    pub(crate) fn because(kind: MigrateErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None }
    }

    pub(crate) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> MigrateErrorKind {
        self.kind
    }

    /// Whether the caller asked for what cannot be: trying again helps only with other words.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        let cause = self.source.as_ref().and_then(|source| source.downcast_ref::<SourceError>());
        match self.kind {
            MigrateErrorKind::Address | MigrateErrorKind::Keys | MigrateErrorKind::Usage => true,
            MigrateErrorKind::Source => cause.is_some_and(SourceError::is_misuse),
            _ => false,
        }
    }
}

impl From<SourceError> for MigrateError {
    fn from(error: SourceError) -> Self {
        Self::new(MigrateErrorKind::Source).caused_by(error)
    }
}

impl From<SqlError> for MigrateError {
    fn from(error: SqlError) -> Self {
        let kind = match error.kind() {
            SqlErrorKind::Address => MigrateErrorKind::Address,
            SqlErrorKind::Connection => MigrateErrorKind::Connection,
            SqlErrorKind::Statement => MigrateErrorKind::Statement,
        };
        match error.into_cause() {
            Some(cause) => Self::new(kind).caused_by(cause),
            None => Self::new(kind),
        }
    }
}

impl From<sea_orm_migration::DbErr> for MigrateError {
    fn from(error: sea_orm_migration::DbErr) -> Self {
        SqlError::from(error).into()
    }
}

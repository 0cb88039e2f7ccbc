//! The error of migrations and moves.

use std::error::Error;
use std::fmt;

use crate::source::{SourceError, SourceErrorKind};
use crate::sql::{RedactedDbError, SqlError, SqlErrorKind};

/// An error of a migration or a move.
///
/// Its messages contain no token, key, cookie or password.
#[derive(Debug, thiserror::Error)]
pub struct MigrateError {
    kind: MigrateErrorKind,
    detail: String,
    /// What the caller may do beside repeating the call.
    hint: Option<&'static str>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`MigrateError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MigrateErrorKind {
    /// The address is not that of a database which this build supports.
    Address,
    /// The database has the many-session layout already.
    AlreadyMoved,
    /// Another process is migrating this database.
    Busy,
    /// The caller asked to stop.
    Cancelled,
    /// The database cannot be reached.
    Connection,
    /// Source and target differ, so the target was not opened.
    Differs,
    /// The target's sealing keys are missing or invalid.
    Keys,
    /// Another process has taken over the move.
    Lost,
    /// There is no such move in the target.
    NoMove,
    /// The command is not allowed in the move's phase.
    Phase,
    /// The source cannot be read as it is mapped.
    Source,
    /// A server's settings, a right or the disk do not allow the move.
    Settings,
    /// The plan is out of date.
    StalePlan,
    /// The source's keys are not those that the move was begun with.
    SourceKeys,
    /// A statement failed.
    Statement,
    /// The target's tables cannot hold the sessions.
    Target,
    /// A throttle has stopped the move.
    Throttled,
    /// No row of the source opens.
    Unreadable,
    /// The arguments are invalid, or do not match the move.
    Usage,
}

impl fmt::Display for MigrateErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => {
                "the address is not one of a supported database \
                 (sqlite://FILE, postgres://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME), or \
                 its kind is not built in: see the features `sqlite`, `postgres` and `mysql`"
            }
            Self::AlreadyMoved => "the database already has many sessions for each user",
            Self::Busy => "another process is migrating this database",
            Self::Cancelled => "stopped as requested; run the command again to go on",
            Self::Connection => "the database cannot be reached",
            Self::Differs => "the source and the target differ",
            Self::Keys => "the target's sealing keys cannot be used",
            Self::Lost => "another process has taken over this move",
            Self::NoMove => "there is no such move",
            Self::Phase => "not allowed in this phase",
            Self::Source => "the source cannot be read",
            Self::SourceKeys => "the source's keys are not those that the move was begun with",
            Self::Settings => "the move would fail half-way",
            Self::StalePlan => "the plan is out of date: run `session-migrate plan` again",
            Self::Statement => "a statement failed",
            Self::Target => "the target's tables cannot hold the sessions",
            Self::Throttled => "a throttle has stopped the move; `resume` goes on with it",
            Self::Unreadable => "no row opens",
            Self::Usage => "invalid arguments",
        })
    }
}

impl fmt::Display for MigrateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.detail.is_empty()) {
            // The cause says more, and belongs first in a message of one line.
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
        Self { kind, detail: String::new(), hint: None, source: None }
    }

    pub(crate) fn because(kind: MigrateErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None, source: None }
    }

    pub(crate) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    pub(crate) const fn with_hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Returns what the caller may do beside repeating the call, if there is something.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        self.hint
    }

    /// Returns the kind of the error.
    #[must_use]
    pub const fn kind(&self) -> MigrateErrorKind {
        self.kind
    }

    /// Returns whether another transaction was in the way, so that the same may succeed when it is
    /// repeated.
    pub(crate) fn is_contended(&self) -> bool {
        let source = self.source.as_ref().and_then(|cause| cause.downcast_ref::<SourceError>());
        source.is_some_and(|error| error.kind() == SourceErrorKind::Busy)
            || self.database_error().is_some_and(RedactedDbError::is_contended)
    }

    /// Returns whether the server or the connection to it was lost.
    pub(crate) fn is_disconnected(&self) -> bool {
        let source = self.source.as_ref().and_then(|cause| cause.downcast_ref::<SourceError>());
        self.kind == MigrateErrorKind::Connection
            || source.is_some_and(|error| error.kind() == SourceErrorKind::Connection)
            || self.database_error().is_some_and(RedactedDbError::is_disconnected)
    }

    /// Returns whether a row that was written violates a constraint.
    pub(crate) fn is_violation(&self) -> bool {
        self.database_error().is_some_and(RedactedDbError::is_violation)
    }

    fn database_error(&self) -> Option<&RedactedDbError> {
        let mut cause = self.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<RedactedDbError>() {
                return Some(error);
            }
            cause = error.source();
        }
        None
    }

    /// Returns whether the arguments are wrong, so that repeating the call cannot help.
    #[must_use]
    pub fn is_misuse(&self) -> bool {
        let cause = self.source.as_ref().and_then(|source| source.downcast_ref::<SourceError>());
        match self.kind {
            MigrateErrorKind::Address
            | MigrateErrorKind::Keys
            | MigrateErrorKind::SourceKeys
            | MigrateErrorKind::Usage => true,
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

impl From<tokio::task::JoinError> for MigrateError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::new(MigrateErrorKind::Cancelled).caused_by(error)
    }
}

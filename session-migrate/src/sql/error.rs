//! The errors of databases, without the values in their texts.

use std::fmt;

use sea_orm_migration::sea_orm::DbErr;

use super::classify::{Code, ErrorClass, class_without_code};

/// A database could not be reached, or a statement failed.
///
/// No message of it has a token, a key or an address's password in it.
#[derive(Debug, thiserror::Error)]
pub struct SqlError {
    kind: SqlErrorKind,
    #[source]
    cause: Option<RedactedDbError>,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqlErrorKind {
    /// The address is not one of a database that this build supports.
    Address,
    /// The database cannot be reached.
    Connection,
    /// A statement failed.
    Statement,
}

impl fmt::Display for SqlErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => {
                "the address is not one of a supported database \
                 (sqlite://FILE, postgres://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME), or \
                 its kind is not built in: see the features `sqlite`, `postgres` and `mysql`"
            }
            Self::Connection => "the database cannot be reached",
            Self::Statement => "a statement failed",
        })
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl SqlError {
    pub(super) const fn new(kind: SqlErrorKind, cause: Option<RedactedDbError>) -> Self {
        Self { kind, cause }
    }

    /// Creates the error of a statement whose answer cannot be understood.
    pub(crate) fn unexpected(text: &str) -> Self {
        Self::new(SqlErrorKind::Statement, Some(RedactedDbError::from(text)))
    }

    /// Returns what failed.
    #[must_use]
    pub const fn kind(&self) -> SqlErrorKind {
        self.kind
    }

    /// Returns whether the caller's arguments are at fault, so that a repetition cannot help.
    #[must_use]
    pub const fn is_misuse(&self) -> bool {
        matches!(self.kind, SqlErrorKind::Address)
    }

    /// Returns whether another transaction was in the way, so that the same may succeed later.
    pub(crate) fn is_contended(&self) -> bool {
        self.cause.as_ref().is_some_and(RedactedDbError::is_contended)
    }

    /// Returns what the database said, for the error of a caller.
    pub(crate) fn into_cause(self) -> Option<RedactedDbError> {
        self.cause
    }
}

impl From<DbErr> for SqlError {
    fn from(error: DbErr) -> Self {
        Self::new(SqlErrorKind::Statement, Some(RedactedDbError::from(error)))
    }
}

/// What a database said of a failure, without values: of a duplicate key, or of a text that is
/// not a number, databases repeat the value, which can be a token or a cookie.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct RedactedDbError {
    text: String,
    class: ErrorClass,
}

impl RedactedDbError {
    /// Returns whether another transaction was in the way, so that the same may succeed later.
    pub(crate) const fn is_contended(&self) -> bool {
        matches!(self.class, ErrorClass::Conflict | ErrorClass::Busy)
    }

    /// Returns whether the server or the connection is gone.
    pub(crate) const fn is_disconnected(&self) -> bool {
        matches!(self.class, ErrorClass::Disconnected)
    }

    /// Returns whether a row violates a constraint.
    pub(crate) const fn is_violation(&self) -> bool {
        matches!(self.class, ErrorClass::Constraint)
    }
}

impl From<DbErr> for RedactedDbError {
    fn from(error: DbErr) -> Self {
        match Code::of(&error) {
            Some((code, message)) => Self { text: code.describe(&message), class: code.class() },
            None => Self { class: class_without_code(&error), text: error.to_string() },
        }
    }
}

impl From<&str> for RedactedDbError {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for RedactedDbError {
    fn from(text: String) -> Self {
        Self { text, class: ErrorClass::Other }
    }
}

#[cfg(test)]
impl RedactedDbError {
    fn of(class: ErrorClass) -> Self {
        Self { text: format!("{class:?}"), class }
    }

    pub(crate) fn busy() -> Self {
        Self::of(ErrorClass::Busy)
    }

    pub(crate) fn disconnected() -> Self {
        Self::of(ErrorClass::Disconnected)
    }

    pub(crate) fn read_only() -> Self {
        Self::of(ErrorClass::ReadOnly)
    }
}

//! Errors of reading a source.

use std::error::Error;
use std::fmt;

use sea_orm_migration::sea_orm::DbErr;

use crate::sql::{SqlError, SqlErrorKind};

/// A source could not be read.
///
/// No message of it has a token, a key or an address's password in it.
#[derive(Debug, thiserror::Error)]
pub struct SourceError {
    kind: SourceErrorKind,
    detail: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// The address is not one of a database that this build supports.
    Address,
    /// The database cannot be reached.
    Connection,
    /// A statement failed.
    Statement,
    /// Other transactions lock the table for too long.
    Busy,
    /// The mapping or the preset does not match the database's schema.
    Schema,
    /// The declared key is not unique.
    KeyNotUnique,
    /// A key of the source's encryption is missing or invalid.
    DecryptionKey,
    /// No preset or codec has this name.
    UnknownName,
    /// The connection's time zone is not UTC, so times would be read wrongly.
    TimeZone,
    /// The SQLite file stores text in another encoding than UTF-8, so bytes would be compared wrongly.
    Encoding,
}

impl fmt::Display for SourceErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => {
                "the address is not one of a supported database \
                 (sqlite://FILE, postgres://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME)"
            }
            Self::Connection => "the database cannot be reached",
            Self::Statement => "a statement failed",
            Self::Busy => "the table is in use: other transactions lock it for too long",
            Self::Schema => "the mapping does not match the database",
            Self::KeyNotUnique => "the mapping's key is not unique",
            Self::DecryptionKey => "the source's decryption key cannot be used",
            Self::UnknownName => "unknown name",
            Self::Encoding => {
                "the SQLite file does not store text as UTF-8 (PRAGMA encoding): copy its tables \
                 into a file that does"
            }
            Self::TimeZone => "the connection's time zone is not UTC: set it to UTC",
        })
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(f, "{}", self.kind)
        } else {
            write!(f, "{}: {}", self.kind, self.detail)
        }
    }
}

impl SourceError {
    pub(crate) const fn new(kind: SourceErrorKind) -> Self {
        Self { kind, detail: String::new(), source: None }
    }

    pub(crate) fn because(kind: SourceErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None }
    }

    pub(crate) fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// Returns what failed.
    #[must_use]
    pub const fn kind(&self) -> SourceErrorKind {
        self.kind
    }

    /// Returns whether the caller's arguments are at fault, such as a column that does not exist,
    /// so that a repetition cannot help.
    #[must_use]
    pub const fn is_misuse(&self) -> bool {
        !matches!(
            self.kind,
            SourceErrorKind::Connection | SourceErrorKind::Statement | SourceErrorKind::Busy
        )
    }
}

impl From<SqlError> for SourceError {
    fn from(error: SqlError) -> Self {
        let kind = match error.kind() {
            SqlErrorKind::Address => SourceErrorKind::Address,
            SqlErrorKind::Connection => SourceErrorKind::Connection,
            SqlErrorKind::Statement => SourceErrorKind::Statement,
        };
        match error.into_cause() {
            Some(cause) => Self::new(kind).caused_by(cause),
            None => Self::new(kind),
        }
    }
}

impl From<DbErr> for SourceError {
    fn from(error: DbErr) -> Self {
        SqlError::from(error).into()
    }
}

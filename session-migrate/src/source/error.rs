//! What can go wrong with reading a source.

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

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// The address is not one of a database that this build speaks to.
    Address,
    /// No connection to the database.
    Connection,
    /// A statement failed.
    Statement,
    /// Others hold the table, for longer than was to be waited.
    Busy,
    /// The mapping or the preset does not fit the database's schema.
    Schema,
    /// The declared key does not tell the rows apart.
    KeyNotUnique,
    /// A key of the source's encryption is missing, or cannot be one.
    DecryptionKey,
    /// No preset or codec has this name.
    UnknownName,
    /// The connection's time zone is not UTC, so times would be read wrongly.
    TimeZone,
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
            Self::Busy => "the table is in use by others",
            Self::Schema => "the mapping does not fit the database",
            Self::KeyNotUnique => "the key does not tell the rows apart",
            Self::DecryptionKey => "the source's key cannot be used",
            Self::UnknownName => "the name is not known",
            Self::TimeZone => "the connection's time zone is not UTC",
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

    /// What kind of trouble it is.
    #[must_use]
    pub const fn kind(&self) -> SourceErrorKind {
        self.kind
    }

    /// Whether the caller asked for what cannot be, such as a column that is not there: trying
    /// again helps only with other words.
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

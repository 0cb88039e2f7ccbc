//! What can go wrong with a migration.

use std::error::Error;
use std::fmt;

/// A migration could not be done.
///
/// No message of it has the password of the database's address in it.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct MigrateError {
    kind: MigrateErrorKind,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MigrateErrorKind {
    /// The address is not one of a database that this build speaks to.
    Address,
    /// Another process has been migrating for a minute.
    Busy,
    /// No connection to the database.
    Connection,
    /// A statement failed.
    Statement,
}

impl fmt::Display for MigrateErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => {
                "the address is not one of a supported database \
                 (sqlite://FILE, postgres://USER:PASSWORD@HOST/NAME, mysql://USER:PASSWORD@HOST/NAME)"
            }
            Self::Busy => "another process is migrating this database",
            Self::Connection => "the database cannot be reached",
            Self::Statement => "a statement of the migration failed",
        })
    }
}

impl MigrateError {
    pub(crate) const fn new(kind: MigrateErrorKind) -> Self {
        Self { kind, source: None }
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
}

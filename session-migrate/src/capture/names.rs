//! What the objects are called.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::sql::Dialect;
use crate::sql::Table;

/// A table's name, with its schema on PostgreSQL. On MySQL everything lies in the connection's
/// database, and is called without it: a dump of it may be read into another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TableName {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

impl TableName {
    pub(super) fn of(dialect: Dialect, table: &Table) -> Self {
        let schema = table.schema.clone().filter(|_| dialect == Dialect::Postgres);
        Self { schema, name: table.name.clone() }
    }

    pub(super) fn sql(&self, dialect: Dialect) -> String {
        dialect.table(self.schema.as_deref(), &self.name)
    }
}

/// The names of one watch: no two watches of a database share any.
///
/// They have the mapping's number, because several mappings can read one table, and a digest of the
/// table's name, because that may be as long as a name can be.
#[derive(Debug, Clone)]
pub(super) struct Names {
    tail: String,
    schema: Option<String>,
}

/// How every name begins.
pub(super) const PREFIX: &str = "session_move_";

impl Names {
    pub(super) fn new(number: usize, table: TableName) -> Self {
        let name = format!("{}\0{}", table.schema.as_deref().unwrap_or_default(), table.name);
        let mut tail = format!("{number}_");
        for byte in Sha256::digest(name).iter().take(4) {
            // Writing to a text cannot fail.
            let _ = write!(tail, "{byte:02x}");
        }
        Self { tail, schema: table.schema }
    }

    /// The change log, which lies beside the mapped table.
    pub(super) fn log(&self) -> TableName {
        let name = format!("{PREFIX}change_{}", self.tail);
        TableName { schema: self.schema.clone(), name }
    }

    /// A trigger or a function; at most 45 bytes with what we call them, and 63 are allowed.
    pub(super) fn of(&self, what: &str) -> String {
        format!("{PREFIX}{}_{what}", self.tail)
    }

    pub(super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }
}

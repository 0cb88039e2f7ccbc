//! The tables, functions and triggers that a capture installs: their names, and which exist.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, QueryResult};
use sha2::{Digest, Sha256};

use crate::sql::{Dialect, Query, SqlError, Table};

/// A table, function or trigger of a capture, with the statements that create and drop it.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) sort: ObjectKind,
    pub(super) name: String,
    /// Its schema.
    pub(super) schema: Option<String>,
    /// A trigger's table, which is locked while the trigger is created or dropped.
    pub(super) on: Option<TableName>,
    pub(super) create: String,
    pub(super) drop: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ObjectKind {
    Table,
    Function,
    Trigger,
}

impl Object {
    /// Returns a function that can only be dropped.
    pub(super) fn function(name: &TableName, dialect: Dialect) -> Self {
        let sql = name.sql(dialect);
        Self::found(ObjectKind::Function, name, format!("DROP FUNCTION {sql}()"))
    }

    /// Returns a table that can only be dropped.
    pub(super) fn table(name: &TableName, dialect: Dialect) -> Self {
        let sql = name.sql(dialect);
        Self::found(ObjectKind::Table, name, format!("DROP TABLE {sql}"))
    }

    fn found(sort: ObjectKind, of: &TableName, drop: String) -> Self {
        let (name, schema) = (of.name.clone(), of.schema.clone());
        Self { sort, name, schema, on: None, create: String::new(), drop }
    }
}

/// A table's name, with its schema on PostgreSQL. On MySQL names stay unqualified, so that a dump
/// can be restored into another database.
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

/// The names of one capture's objects; no two captures of a database share a name.
///
/// A name has the owner's tag, because several moves can read one table, the mapping's number,
/// because several mappings can, and a digest of the table's name, which itself may be as long as a name can be.
#[derive(Debug, Clone)]
pub(super) struct ObjectNames {
    tail: String,
    schema: Option<String>,
}

/// The beginning of every name.
pub(super) const PREFIX: &str = "session_move_";

impl ObjectNames {
    pub(super) fn new(tag: &str, number: usize, table: TableName) -> Self {
        let name = format!("{}\0{}", table.schema.as_deref().unwrap_or_default(), table.name);
        let mut tail = format!("{tag}_{number}_");
        for byte in Sha256::digest(name).iter().take(4) {
            // Writing to a string cannot fail.
            let _ = write!(tail, "{byte:02x}");
        }
        Self { tail, schema: table.schema }
    }

    /// Creates the names with this tail, as the catalog has it.
    pub(super) fn with_tail(tail: &str, schema: Option<String>) -> Self {
        Self { tail: tail.to_owned(), schema }
    }

    /// Returns the change log's name, in the schema of the mapped table.
    pub(super) fn log(&self) -> TableName {
        let name = format!("{PREFIX}change_{}", self.tail);
        TableName { schema: self.schema.clone(), name }
    }

    /// Returns a trigger's or function's name: at most 54 bytes, where databases allow 63.
    pub(super) fn of(&self, what: &str) -> String {
        format!("{PREFIX}{}_{what}", self.tail)
    }

    pub(super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }
}

const SQLITE: &str = "SELECT type, '', name FROM sqlite_master \
    WHERE type IN ('table', 'trigger') AND name LIKE 'session\\_move\\_%' ESCAPE '\\'";

const POSTGRES: &str = "SELECT 'trigger', n.nspname::text, t.tgname::text FROM pg_trigger t \
    JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE NOT t.tgisinternal AND t.tgname LIKE 'session\\_move\\_%' \
    UNION ALL SELECT 'function', n.nspname::text, p.proname::text FROM pg_proc p \
    JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.proname LIKE 'session\\_move\\_%' \
    UNION ALL SELECT 'table', n.nspname::text, c.relname::text FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND c.relname LIKE 'session\\_move\\_%'";

/// The underscore matches any character here; what it finds too much is never asked for.
const MYSQL: &str = "SELECT CAST('trigger' AS CHAR), CAST('' AS CHAR), \
    CAST(TRIGGER_NAME AS CHAR) FROM information_schema.TRIGGERS \
    WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'session_move_%' \
    UNION ALL SELECT CAST('table' AS CHAR), CAST('' AS CHAR), CAST(TABLE_NAME AS CHAR) \
    FROM information_schema.TABLES \
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'session_move_%'";

/// The objects of all captures that exist in a database.
#[derive(Debug)]
pub(super) struct InstalledObjects(BTreeSet<(ObjectKind, String, String)>);

impl InstalledObjects {
    /// Reads the catalog, without a lock on any table.
    pub(super) async fn of(
        dialect: Dialect,
        connection: &impl ConnectionTrait,
    ) -> Result<Self, SqlError> {
        let sql = match dialect {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
            Dialect::Mysql => MYSQL,
        };
        let rows = Query::new(dialect, sql).rows(connection).await?;
        let found: Result<_, DbErr> = rows.iter().map(|row| read(dialect, row)).collect();
        Ok(Self(found?))
    }

    /// Returns each object's kind, schema and name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(ObjectKind, String, String)> {
        self.0.iter()
    }

    pub(super) fn has(&self, object: &Object) -> bool {
        let schema = object.schema.clone().unwrap_or_default();
        self.0.contains(&(object.sort, schema, object.name.clone()))
    }
}

fn read(dialect: Dialect, row: &QueryResult) -> Result<(ObjectKind, String, String), DbErr> {
    let sort = match text(dialect, row, 0)?.as_str() {
        "trigger" => ObjectKind::Trigger,
        "function" => ObjectKind::Function,
        _ => ObjectKind::Table,
    };
    Ok((sort, text(dialect, row, 1)?, text(dialect, row, 2)?))
}

/// Reads a text, which MySQL's catalog returns as bytes.
pub(super) fn text(dialect: Dialect, row: &QueryResult, at: usize) -> Result<String, DbErr> {
    match dialect {
        Dialect::Mysql => {
            let bytes: Vec<u8> = row.try_get_by_index(at)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => row.try_get_by_index(at),
    }
}

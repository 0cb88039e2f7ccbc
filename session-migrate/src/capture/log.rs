//! The change log: a table in the schema of the mapped one, and the statements that fill it.

use super::objects::{Object, ObjectKind, ObjectNames, TableName};
use crate::sql::{Column, ColumnKind, Dialect};

/// The kind of an entry, in the column `what`: any row, or the row with this key.
pub(super) const ALL: u64 = 0;
pub(super) const KEY: u64 = 1;
/// The kind for the first relation; the others follow.
pub(super) const FIRST_RELATION: u64 = 2;

/// The log's layout: an id, the kind of entry, the key's columns, and one column for each relation.
///
/// The columns hold the values of the mapped ones in types that neither fold nor truncate them, so
/// that an entry reads back like the row, and cannot make the writer's statement fail. Only the id
/// is indexed: a text key would be too long for some databases.
///
/// The id is never reused, and does not come from a counter: a sequence would change `lastval()`
/// for an application on PostgreSQL, SQLite's `AUTOINCREMENT` leaves a table behind, its plain row
/// numbers are reused, and MySQL's counter takes a lock on which writers could deadlock.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) dialect: Dialect,
    pub(super) table: TableName,
    pub(super) key: Vec<Column>,
    pub(super) related: Vec<Column>,
}

/// The rows that an entry stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    All,
    Key,
    Related(usize),
}

impl Log {
    pub(super) fn new(
        dialect: Dialect,
        names: &ObjectNames,
        key: Vec<Column>,
        related: Vec<Column>,
    ) -> Self {
        Self { dialect, table: names.log(), key, related }
    }

    /// Returns every column after the id and `what`, with its name in the log.
    pub(super) fn columns(&self) -> impl Iterator<Item = (String, &Column)> {
        let key = self.key.iter().enumerate().map(|(at, column)| (format!("key_{at}"), column));
        let related = self.related.iter().enumerate();
        key.chain(related.map(|(at, column)| (format!("related_{at}"), column)))
    }

    pub(super) fn object(&self) -> Object {
        let table = self.table.sql(self.dialect);
        let (id, tail) = match self.dialect {
            Dialect::Sqlite => ("seq BLOB NOT NULL PRIMARY KEY, what INTEGER NOT NULL", ""),
            Dialect::Postgres => ("seq uuid NOT NULL PRIMARY KEY, what smallint NOT NULL", ""),
            Dialect::Mysql => (
                "seq BIGINT UNSIGNED NOT NULL PRIMARY KEY, what SMALLINT NOT NULL",
                " ENGINE = InnoDB",
            ),
        };
        let columns: Vec<String> = self
            .columns()
            .map(|(name, column)| format!(", {name}{}", declared(self.dialect, column)))
            .collect();
        Object {
            sort: ObjectKind::Table,
            name: self.table.name.clone(),
            schema: self.table.schema.clone(),
            on: None,
            create: format!("CREATE TABLE {table} ({id}{}){tail}", columns.concat()),
            drop: format!("DROP TABLE {table}"),
        }
    }

    /// Returns `INSERT INTO` with its columns, and the values of one entry, which come from `row`:
    /// `OLD`, `NEW`, or a table's alias.
    pub(super) fn insert(&self, entry: Entry, columns: &[Column], row: &str) -> (String, String) {
        let (what, first) = match entry {
            Entry::All => (ALL, ""),
            Entry::Key => (KEY, "key_"),
            Entry::Related(at) => (FIRST_RELATION + at as u64, "related_"),
        };
        let number = |at: usize| if let Entry::Related(relation) = entry { relation } else { at };
        let id = match self.dialect {
            Dialect::Sqlite => "randomblob(16)",
            Dialect::Postgres => "gen_random_uuid()",
            Dialect::Mysql => "UUID_SHORT()",
        };
        let mut into = format!("INSERT INTO {} (seq, what", self.table.sql(self.dialect));
        let mut values = format!("{id}, {what}");
        for (at, column) in columns.iter().enumerate() {
            into.push_str(&format!(", {first}{}", number(at)));
            let value = format!("{row}.{}", self.dialect.quote(&column.name));
            values.push_str(&match (self.dialect, column.kind) {
                (Dialect::Mysql, ColumnKind::Text) => format!(", CONVERT({value} USING utf8mb4)"),
                _ => format!(", {value}"),
            });
        }
        into.push(')');
        (into, values)
    }
}

/// Returns a type that holds every value of the column. `NULL` is explicit, because MySQL may
/// otherwise give a `timestamp` a default and `ON UPDATE`.
fn declared(dialect: Dialect, column: &Column) -> String {
    let wider = match (dialect, column.kind) {
        // No type, no affinity: every value keeps its storage class.
        (Dialect::Sqlite, _) => return String::new(),
        // Not the declared ones: a domain may refuse NULL.
        (Dialect::Postgres, ColumnKind::Integer) => "bigint",
        (Dialect::Postgres, ColumnKind::Boolean) => "boolean",
        (Dialect::Postgres, ColumnKind::Real) => "double precision",
        (Dialect::Postgres, ColumnKind::Decimal) => "numeric",
        (Dialect::Postgres, ColumnKind::Text) => "text",
        (Dialect::Postgres, ColumnKind::Bytes) => "bytea",
        (Dialect::Postgres, ColumnKind::Uuid) => "uuid",
        (Dialect::Postgres, ColumnKind::ZonedTime) => "timestamptz",
        // Values are read in this character set, which contains all others.
        (Dialect::Mysql, ColumnKind::Text) => "LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        (Dialect::Mysql, ColumnKind::Bytes) => "LONGBLOB",
        _ => column.declared.as_str(),
    };
    format!(" {wider} NULL")
}

//! What differs between databases: quoting, reading values without loss, comparing byte for byte.

use sea_orm_migration::sea_orm::DbBackend;

use super::{Column, ColumnKind};

/// A kind of database, as far as SQL differs between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
}

impl Dialect {
    pub(crate) const fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Postgres => Self::Postgres,
            DbBackend::MySql => Self::Mysql,
            _ => Self::Sqlite,
        }
    }

    pub(crate) const fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
            Self::Mysql => DbBackend::MySql,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// Returns the statement that asks a server for the id of the connection; a file has none.
    pub(crate) const fn connection_id(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SELECT pg_backend_pid()::bigint"),
            Self::Mysql => Some("SELECT CAST(CONNECTION_ID() AS SIGNED)"),
        }
    }

    /// Quotes a name: `user` is a keyword, and Auth.js's columns are in mixed case.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Self::Mysql => format!("`{}`", name.replace('`', "``")),
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// Quotes a table's name, qualified where it has a schema.
    pub(crate) fn table(self, schema: Option<&str>, name: &str) -> String {
        match schema {
            Some(schema) => format!("{}.{}", self.quote(schema), self.quote(name)),
            None => self.quote(name),
        }
    }

    /// Returns the expression that selects a column's value without loss.
    pub(crate) fn fetch(self, column: &str, kind: ColumnKind) -> String {
        match self {
            // The driver knows each value's storage class.
            Self::Sqlite => column.to_owned(),
            Self::Postgres => match kind {
                ColumnKind::Bytes => column.to_owned(),
                ColumnKind::Boolean => format!("{column}::int::bigint"),
                ColumnKind::Integer => format!("{column}::bigint"),
                ColumnKind::Real => format!("{column}::double precision"),
                ColumnKind::ZonedTime => format!("({column} AT TIME ZONE 'UTC')::text || '+00'"),
                _ => format!("{column}::text"),
            },
            Self::Mysql => match kind {
                ColumnKind::Bytes => column.to_owned(),
                ColumnKind::Text => format!("CONVERT({column} USING utf8mb4)"),
                ColumnKind::ZonedTime => format!("CONCAT(CAST({column} AS CHAR), '+00')"),
                _ => format!("CAST({column} AS CHAR)"),
            },
        }
    }

    /// Returns an expression that compares the column byte for byte: no case folding, no padding.
    pub(crate) fn binary(self, column: &str, kind: ColumnKind) -> String {
        match (self, kind) {
            (Self::Sqlite, _) => format!("{column} COLLATE BINARY"),
            (_, ColumnKind::Integer | ColumnKind::Real | ColumnKind::Bytes) => column.to_owned(),
            (Self::Postgres, _) => format!("{column}::text COLLATE \"C\""),
            (Self::Mysql, ColumnKind::Text) => {
                format!("CAST(CONVERT({column} USING utf8mb4) AS BINARY)")
            }
            (Self::Mysql, _) => format!("CAST(CAST({column} AS CHAR) AS BINARY)"),
        }
    }

    /// Returns an expression whose text differs wherever two values differ, `NULL` included: an
    /// order for rows that no unique key orders.
    pub(crate) fn normal(self, column: &str, kind: ColumnKind) -> String {
        match self {
            // `quote` tells the storage classes apart.
            Self::Sqlite => format!("quote({column}) COLLATE BINARY"),
            Self::Postgres if kind == ColumnKind::Bytes => {
                format!("COALESCE('=' || encode({column}, 'hex'), '') COLLATE \"C\"")
            }
            Self::Postgres => format!("COALESCE('=' || {column}::text, '') COLLATE \"C\""),
            Self::Mysql if kind == ColumnKind::Bytes => {
                format!("CAST(COALESCE(CONCAT('=', HEX({column})), '') AS BINARY)")
            }
            Self::Mysql if kind == ColumnKind::Text => {
                format!(
                    "CAST(COALESCE(CONCAT('=', CONVERT({column} USING utf8mb4)), '') AS BINARY)"
                )
            }
            Self::Mysql => {
                format!("CAST(COALESCE(CONCAT('=', CAST({column} AS CHAR)), '') AS BINARY)")
            }
        }
    }

    /// Returns the placeholder in the type of the column that it is compared with, so that an
    /// index serves the comparison.
    pub(crate) fn typed(self, placeholder: &str, column: &Column) -> String {
        let is_plain = matches!(
            column.kind,
            ColumnKind::Integer | ColumnKind::Real | ColumnKind::Bytes | ColumnKind::Text
        );
        match self {
            Self::Postgres if column.kind == ColumnKind::Boolean => {
                format!("({placeholder}::int <> 0)")
            }
            // The type's name comes from the catalog.
            Self::Postgres if !is_plain => format!("CAST({placeholder} AS {})", column.declared),
            _ => placeholder.to_owned(),
        }
    }

    /// Returns the placeholder of a value that was read as text, to be compared byte for byte with
    /// [`binary`](Self::binary).
    pub(crate) fn binary_parameter(self, placeholder: &str, kind: ColumnKind) -> String {
        let is_native = matches!(kind, ColumnKind::Integer | ColumnKind::Real | ColumnKind::Bytes);
        match self {
            Self::Mysql if !is_native => format!("CAST({placeholder} AS BINARY)"),
            _ => placeholder.to_owned(),
        }
    }
}

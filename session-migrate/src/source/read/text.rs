//! Texts of columns, compared byte for byte on every database.

use crate::source::bind::Slot;
use crate::sql::{ColumnKind, Dialect};

/// Returns an expression for the column's text, compared byte for byte.
pub(crate) fn exact(dialect: Dialect, slot: &Slot) -> String {
    let (sql, kind) = (&slot.sql, slot.column.kind);
    match (dialect, kind) {
        // Whatever the value's class: 7 and '7' are one user.
        (Dialect::Sqlite, _) => format!("CAST({sql} AS BLOB)"),
        // Bytes that are not UTF-8 are escaped; they are not a user's id.
        (Dialect::Postgres, ColumnKind::Bytes) => {
            format!("encode({sql}, 'escape') COLLATE \"C\"")
        }
        (Dialect::Postgres, _) => format!("({})::text COLLATE \"C\"", dialect.fetch(sql, kind)),
        (Dialect::Mysql, ColumnKind::Bytes) => sql.clone(),
        (Dialect::Mysql, _) => format!("CAST({} AS BINARY)", dialect.fetch(sql, kind)),
    }
}

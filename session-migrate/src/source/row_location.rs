//! The physical location of a row, which SQLite and PostgreSQL expose beside its key. In this
//! order, rows of neighbouring pages come together.
//!
//! It is not a key: an update may move a row, and put another one in its location.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::sql::{Dialect, Table};

/// SQLite's names for it, which a column may shadow.
const ROWID: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// Returns the name of the location of a table's rows; none where it is not exposed.
pub(crate) async fn row_location(
    connection: &DatabaseConnection,
    dialect: Dialect,
    table: &Table,
) -> Option<&'static str> {
    let is_column = |name: &str| table.columns.iter().any(|it| it.name.eq_ignore_ascii_case(name));
    match dialect {
        Dialect::Mysql => None,
        Dialect::Postgres => Some("ctid"),
        Dialect::Sqlite => {
            let name = ROWID.into_iter().find(|name| !is_column(name))?;
            let table = dialect.table(table.schema.as_deref(), &table.name);
            // Fails for a table WITHOUT ROWID.
            let probe = format!("SELECT {name} FROM {table} LIMIT 0");
            connection.execute_unprepared(&probe).await.ok().map(|_| name)
        }
    }
}

/// Returns the type of a column that stores it.
pub(crate) const fn row_location_type(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "tid",
        _ => "INTEGER",
    }
}

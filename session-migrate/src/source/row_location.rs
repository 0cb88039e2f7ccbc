//! Where a row lies: a number that SQLite and PostgreSQL have of each row beside its key. In this
//! order, rows whose pages lie together come together.
//!
//! It is no key. A row that is written again may lie elsewhere, and another where it was.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

use crate::sql::{Dialect, Table};

/// What SQLite calls it, as far as no column has the name.
const ROWID: [&str; 3] = ["rowid", "_rowid_", "oid"];

/// The name of the place of a table's rows; none where they have none.
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
            // A table that was made without is refused.
            let probe = format!("SELECT {name} FROM {table} LIMIT 0");
            connection.execute_unprepared(&probe).await.ok().map(|_| name)
        }
    }
}

/// The type of a column that notes it.
pub(crate) const fn row_location_type(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "tid",
        _ => "INTEGER",
    }
}

//! The encoding of a database's texts.

use sea_orm_migration::sea_orm::DatabaseConnection;

use super::{Dialect, Query, SqlError};

/// Returns the encoding of a database's texts, if it is not UTF-8. In MySQL and MariaDB each column has
/// its own, and the server translates.
pub(crate) async fn other_encoding(
    connection: &DatabaseConnection,
) -> Result<Option<String>, SqlError> {
    let dialect = Dialect::of(connection.get_database_backend());
    let sql = match dialect {
        Dialect::Sqlite => "SELECT encoding FROM pragma_encoding",
        Dialect::Postgres => {
            "SELECT pg_encoding_to_char(encoding)::text FROM pg_database \
             WHERE datname = current_database()"
        }
        Dialect::Mysql => return Ok(None),
    };
    let rows = Query::new(dialect, sql).rows(connection).await?;
    let name = rows.first().map(|row| row.try_get_by_index::<String>(0)).transpose()?;
    Ok(name.filter(|name| !matches!(name.as_str(), "UTF-8" | "UTF8")))
}

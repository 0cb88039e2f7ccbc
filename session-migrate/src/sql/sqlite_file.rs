//! The file of a SQLite database.

use std::path::PathBuf;

use sea_orm_migration::sea_orm::ConnectionTrait;

use super::{Dialect, Query, SqlError};

/// Returns the path of the database's file; none for a database in memory.
pub(crate) async fn sqlite_file(
    connection: &impl ConnectionTrait,
) -> Result<Option<PathBuf>, SqlError> {
    let sql = "SELECT file FROM pragma_database_list WHERE name = 'main'";
    let rows = Query::new(Dialect::Sqlite, sql).rows(connection).await?;
    let file: Option<String> =
        rows.first().map(|row| row.try_get_by_index(0)).transpose()?.flatten();
    Ok(file.filter(|file| !file.is_empty()).map(PathBuf::from))
}

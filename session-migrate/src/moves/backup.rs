//! A copy of a SQLite file, before anything is written to it.

use std::path::{Path, PathBuf};

use sea_orm_migration::sea_orm::Value;

use crate::engine::Ground;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::sql::{Dialect, Query};

/// Copies the source where it is a SQLite file that will be written to; gives the copy's path.
///
/// A copy that is there already is older than anything that was written since: it stays.
///
/// # Security
///
/// The copy holds what the file holds; it gets the file's own rights.
pub(super) async fn backup(ground: &Ground) -> Result<Option<String>, MigrateError> {
    let is_file = Dialect::of(ground.source.get_database_backend()) == Dialect::Sqlite;
    if !is_file || ground.options.is_online {
        return Ok(None);
    }
    let sql = "SELECT file FROM pragma_database_list WHERE name = 'main'";
    let rows = Query::new(Dialect::Sqlite, sql).rows(&ground.source).await?;
    let file: Option<String> =
        rows.first().map(|row| row.try_get_by_index(0)).transpose()?.flatten();
    let Some(file) = file.filter(|file| !file.is_empty()) else { return Ok(None) };
    let copy = format!("{file}.before-{}", ground.id);
    if Path::new(&copy).exists() {
        return Ok(Some(copy));
    }
    // A copy that is broken off half way must not be taken for a whole one.
    let partial = PathBuf::from(format!("{copy}.partial"));
    let _ = std::fs::remove_file(&partial);
    let mut query = Query::new(Dialect::Sqlite, "VACUUM INTO ");
    let path = query.bind(Value::String(Some(partial.display().to_string())));
    query.push(&path);
    query.execute(&ground.source).await.map_err(failed)?;
    let rights = std::fs::metadata(&file).map(|of| of.permissions()).map_err(failed)?;
    std::fs::set_permissions(&partial, rights).map_err(failed)?;
    std::fs::rename(&partial, &copy).map_err(failed)?;
    Ok(Some(copy))
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> MigrateError {
    MigrateError::because(MigrateErrorKind::Statement, "a backup of the file cannot be made")
        .caused_by(cause)
}

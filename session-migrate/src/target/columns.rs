//! Checks that the target's `login_session` can hold what is written to it.

use sea_orm_migration::sea_orm::sea_query::{ColumnType, StringLen};
use sea_orm_migration::sea_orm::{
    ColumnTrait as _, DatabaseConnection, IdenStatic as _, Iterable as _,
};
use session_core::store::sea_orm::entity::session::Column;

use crate::error::{MigrateError, MigrateErrorKind};
use crate::migrations;
use crate::sql::{Schema, Table};

/// Checks `login_session`, if the target has it, against the columns of the entity.
///
/// With `is_migrated` every column must exist; without, columns that a later step of the migrations
/// adds may be missing.
///
/// # Errors
///
/// Returns an error of the kind `Target` that names the column that is missing or too small.
pub(crate) async fn check_columns(
    connection: &DatabaseConnection,
    is_migrated: bool,
) -> Result<(), MigrateError> {
    let schema = Schema::read(connection).await?;
    let Some(table) = schema.table(None, "login_session") else { return Ok(()) };
    for column in Column::iter() {
        let is_added = migrations::ADDED_COLUMNS.contains(&column.as_str());
        if is_added && !is_migrated && table.column(column.as_str()).is_none() {
            continue;
        }
        check(table, column).map_err(|detail| {
            MigrateError::because(MigrateErrorKind::Target, format!("login_session: {detail}"))
        })?;
    }
    Ok(())
}

fn check(table: &Table, column: Column) -> Result<(), String> {
    let name = column.as_str();
    let found = table.column(name).ok_or_else(|| format!("there is no column {name}"))?;
    let declared = found.declared.to_ascii_lowercase();
    let is_too_small = match column.def().get_column_type() {
        ColumnType::String(StringLen::N(needed)) => {
            length(&declared).is_some_and(|length| length < *needed)
        }
        // MySQL cuts a BLOB at 64 KiB; SQLite, whose tables have no schema, does not.
        ColumnType::Blob => {
            table.schema.is_some() && matches!(declared.as_str(), "blob" | "tinyblob")
        }
        _ => false,
    };
    if is_too_small {
        return Err(format!("{name} is {declared}, which would truncate what is written"));
    }
    Ok(())
}

/// Returns the number in a declared type such as `varchar(64)`.
fn length(declared: &str) -> Option<u32> {
    let (_, rest) = declared.split_once('(')?;
    rest.split([')', ',']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn a_declared_length_is_read() {
        assert_eq!(length("character varying(64)"), Some(64));
        assert_eq!(length("varchar(255)"), Some(255));
        assert_eq!(length("text"), None);
    }
}

//! SQLite's values, each with its own storage class, whatever its column is declared as.

use sea_orm_migration::sea_orm::{DbErr, QueryResult};

use crate::sql::Cell;

/// The value of an output column as it is stored.
#[cfg(feature = "sqlite")]
pub(super) fn cell(row: &QueryResult, at: usize) -> Result<Cell, DbErr> {
    use std::sync::Arc;

    use sea_orm_migration::sea_orm::RuntimeErr;
    use sea_orm_migration::sea_orm::sqlx::{Decode, Row, Sqlite, TypeInfo, ValueRef};

    let failed = |error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)));
    let undecoded = |error| DbErr::Type(format!("a value has another class than it says: {error}"));
    let row = row.try_as_sqlite_row().ok_or_else(no_driver)?;
    let value = row.try_get_raw(at).map_err(failed)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let [is_integer, is_real, is_text] = {
        let class = value.type_info();
        ["INTEGER", "REAL", "TEXT"].map(|name| class.name() == name)
    };
    let cell = if is_integer {
        Decode::<Sqlite>::decode(value).map(Cell::Integer)
    } else if is_real {
        Decode::<Sqlite>::decode(value).map(Cell::Real)
    } else if is_text {
        // As bytes: text need not be UTF-8.
        Decode::<Sqlite>::decode(value).map(Cell::from_text_bytes)
    } else {
        Decode::<Sqlite>::decode(value).map(Cell::Bytes)
    };
    cell.map_err(undecoded)
}

/// Nothing is read from SQLite.
#[cfg(not(feature = "sqlite"))]
pub(super) fn cell(_: &QueryResult, _: usize) -> Result<Cell, DbErr> {
    Err(no_driver())
}

fn no_driver() -> DbErr {
    DbErr::Type("this is no row of SQLite".to_owned())
}

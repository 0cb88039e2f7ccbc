//! Statements with their parameters, and rows of cells.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use super::{Cell, ColumnKind, Dialect, SqlError};

/// A statement and its parameters.
#[derive(Debug)]
pub(crate) struct Query {
    dialect: Dialect,
    sql: String,
    values: Vec<Value>,
}

impl Query {
    pub(crate) fn new(dialect: Dialect, sql: impl Into<String>) -> Self {
        Self { dialect, sql: sql.into(), values: Vec::new() }
    }

    /// Appends SQL.
    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a parameter; returns its placeholder, which the caller has to write next.
    pub(crate) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        match self.dialect {
            Dialect::Postgres => format!("${}", self.values.len()),
            _ => "?".to_owned(),
        }
    }

    /// Adds a stored value as a parameter; returns its placeholder, which has the value's class.
    pub(crate) fn bind_cell(&mut self, cell: &Cell) -> String {
        let placeholder = self.bind(match cell {
            Cell::Null => Value::String(None),
            Cell::Integer(number) => Value::BigInt(Some(*number)),
            Cell::Real(number) => Value::Double(Some(*number)),
            Cell::Text(text) => Value::String(Some(text.clone())),
            Cell::Bytes(bytes) | Cell::MalformedText(bytes) => Value::Bytes(Some(bytes.clone())),
        });
        match (self.dialect, cell) {
            // SQLite makes text of the bytes without looking into them.
            (Dialect::Sqlite, Cell::MalformedText(_)) => format!("CAST({placeholder} AS TEXT)"),
            _ => placeholder,
        }
    }

    pub(crate) fn statement(self) -> Statement {
        Statement::from_sql_and_values(self.dialect.backend(), self.sql, self.values)
    }

    /// Runs the statement; returns its rows.
    pub(crate) async fn rows(
        self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<QueryResult>, SqlError> {
        connection.query_all_raw(self.statement()).await.map_err(SqlError::from)
    }

    /// Runs the statement; returns the number of rows that it affected.
    pub(crate) async fn execute(self, connection: &impl ConnectionTrait) -> Result<u64, SqlError> {
        let done = connection.execute_raw(self.statement()).await;
        done.map(|done| done.rows_affected()).map_err(SqlError::from)
    }

    /// Runs the statement; returns its only value, a number.
    pub(crate) async fn number(self, connection: &impl ConnectionTrait) -> Result<u64, SqlError> {
        let rows = self.rows(connection).await?;
        let number: Option<i64> = rows.first().map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }
}

/// Reads a row's columns, from left to right, as [`Dialect::fetch`] selected them.
#[derive(Debug)]
pub(crate) struct CellReader<'a> {
    dialect: Dialect,
    row: &'a QueryResult,
    next: usize,
}

impl<'a> CellReader<'a> {
    pub(crate) const fn new(dialect: Dialect, row: &'a QueryResult) -> Self {
        Self { dialect, row, next: 0 }
    }

    /// Reads the next column's value.
    pub(crate) fn cell(&mut self, kind: ColumnKind) -> Result<Cell, SqlError> {
        let at = self.next;
        self.next += 1;
        match self.dialect {
            Dialect::Sqlite => sqlite_cell(self.row, at),
            Dialect::Postgres => self.postgres(at, kind),
            Dialect::Mysql => self.mysql(at, kind),
        }
        .map_err(SqlError::from)
    }

    /// Reads the next value, which is text or bytes of an expression.
    pub(crate) fn expression(&mut self, kind: ColumnKind) -> Result<Cell, SqlError> {
        let at = self.next;
        self.next += 1;
        let cell = match kind {
            ColumnKind::Bytes => self.optional(at).map(|cell| cell.map(Cell::Bytes)),
            _ => self.optional(at).map(|cell| cell.map(Cell::Text)),
        };
        Ok(cell?.unwrap_or(Cell::Null))
    }

    /// Reads the next value, which is a number.
    pub(crate) fn count(&mut self) -> Result<u64, SqlError> {
        let number: Option<i64> = self.row.try_get_by_index(self.next)?;
        self.next += 1;
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }

    /// Reads the next value, which is true or false.
    pub(crate) fn flag(&mut self) -> Result<bool, SqlError> {
        self.count().map(|number| number != 0)
    }

    fn postgres(&self, at: usize, kind: ColumnKind) -> Result<Cell, DbErr> {
        let cell = match kind {
            ColumnKind::Bytes => self.optional(at)?.map(Cell::Bytes),
            ColumnKind::Integer | ColumnKind::Boolean => self.optional(at)?.map(Cell::Integer),
            ColumnKind::Real => self.optional(at)?.map(Cell::Real),
            _ => self.optional(at)?.map(Cell::Text),
        };
        Ok(cell.unwrap_or(Cell::Null))
    }

    fn mysql(&self, at: usize, kind: ColumnKind) -> Result<Cell, DbErr> {
        let Some(bytes) = self.optional::<Vec<u8>>(at)? else { return Ok(Cell::Null) };
        if kind == ColumnKind::Bytes {
            return Ok(Cell::Bytes(bytes));
        }
        let text = Cell::from_text_bytes(bytes);
        let number = match (kind, &text) {
            (ColumnKind::Integer | ColumnKind::Boolean, Cell::Text(text)) => {
                text.parse().ok().map(Cell::Integer)
            }
            (ColumnKind::Real, Cell::Text(text)) => text.parse().ok().map(Cell::Real),
            _ => None,
        };
        Ok(number.unwrap_or(text))
    }

    fn optional<T: sea_orm_migration::sea_orm::TryGetable>(
        &self,
        at: usize,
    ) -> Result<Option<T>, DbErr> {
        self.row.try_get_by_index(at)
    }
}

/// Returns a value of SQLite in its own storage class, whatever its column is declared as.
#[cfg(feature = "sqlite")]
fn sqlite_cell(row: &QueryResult, at: usize) -> Result<Cell, DbErr> {
    use std::sync::Arc;

    use sea_orm_migration::sea_orm::RuntimeErr;
    use sea_orm_migration::sea_orm::sqlx::{Decode, Row, Sqlite, TypeInfo, ValueRef};

    let failed = |error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)));
    let undecoded = |error| {
        DbErr::Type(format!("a value does not have the storage class that SQLite reports: {error}"))
    };
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

/// Without the driver there are no rows of SQLite.
#[cfg(not(feature = "sqlite"))]
fn sqlite_cell(_: &QueryResult, _: usize) -> Result<Cell, DbErr> {
    Err(no_driver())
}

fn no_driver() -> DbErr {
    DbErr::Type("this is not a row of SQLite".to_owned())
}

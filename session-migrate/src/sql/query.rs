//! Statements with their parameters, and rows of cells.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use crate::source::SourceError;
use crate::sql::Cell;
use crate::sql::ColumnKind;
use crate::sql::Dialect;

/// A statement that is being written.
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

    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Notes a parameter and gives its placeholder, which the caller has to write next.
    pub(crate) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        match self.dialect {
            Dialect::Postgres => format!("${}", self.values.len()),
            _ => "?".to_owned(),
        }
    }

    /// Notes a stored value as a parameter and gives its placeholder, which has the value's class.
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

    pub(crate) async fn rows(
        self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<QueryResult>, SourceError> {
        connection.query_all_raw(self.statement()).await.map_err(SourceError::statement)
    }

    /// Carries it out; gives the number of rows that it was for.
    pub(crate) async fn execute(
        self,
        connection: &impl ConnectionTrait,
    ) -> Result<u64, SourceError> {
        let done = connection.execute_raw(self.statement()).await;
        done.map(|done| done.rows_affected()).map_err(SourceError::statement)
    }

    /// The one number that the statement gives.
    pub(crate) async fn number(
        self,
        connection: &impl ConnectionTrait,
    ) -> Result<u64, SourceError> {
        let rows = self.rows(connection).await?;
        let number: Option<i64> =
            rows.first().map(|row| row.try_get_by_index(0)).transpose().map_err(failed)?;
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }
}

fn failed(error: DbErr) -> SourceError {
    SourceError::statement(error)
}

/// Reads, from left to right, what [`Dialect::fetch`] selected.
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

    /// The next column's value.
    pub(crate) fn cell(&mut self, kind: ColumnKind) -> Result<Cell, SourceError> {
        let at = self.next;
        self.next += 1;
        match self.dialect {
            Dialect::Sqlite => crate::sql::storage::cell(self.row, at),
            Dialect::Postgres => self.postgres(at, kind),
            Dialect::Mysql => self.mysql(at, kind),
        }
        .map_err(failed)
    }

    /// The next output column's value, which is an expression and no column: one output column on
    /// every database, and text or bytes.
    pub(crate) fn expression(&mut self, kind: ColumnKind) -> Result<Cell, SourceError> {
        let at = self.next;
        self.next += 1;
        let cell = match kind {
            ColumnKind::Bytes => self.optional(at).map(|cell| cell.map(Cell::Bytes)),
            _ => self.optional(at).map(|cell| cell.map(Cell::Text)),
        };
        Ok(cell.map_err(failed)?.unwrap_or(Cell::Null))
    }

    /// The next column's value, which the statement counted.
    pub(crate) fn count(&mut self) -> Result<u64, SourceError> {
        let number: Option<i64> = self.row.try_get_by_index(self.next).map_err(failed)?;
        self.next += 1;
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }

    /// The next column's value, which is true or false.
    pub(crate) fn flag(&mut self) -> Result<bool, SourceError> {
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

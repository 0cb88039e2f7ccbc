//! Inserts many rows with one statement.

use sea_orm_migration::sea_orm::{ConnectionTrait, Value};

use crate::error::MigrateError;
use crate::sql::{Dialect, Query};

/// The numbers of rows that one statement inserts; the largest that fits is taken. There are few of
/// them, because the connection prepares and keeps a statement for each.
const CHUNKS: [usize; 5] = [512, 128, 32, 8, 1];

/// SQLite allows the fewest parameters: 32,766.
const MAX_PARAMETERS: usize = 32_000;

/// A table, the columns that each row gives, and the columns that are the same in all rows.
#[derive(Debug, Clone)]
pub(crate) struct BulkInsert {
    pub(crate) table: &'static str,
    pub(crate) columns: Vec<&'static str>,
    /// Columns with their value as SQL.
    pub(crate) constants: Vec<(&'static str, String)>,
}

impl BulkInsert {
    /// Inserts the rows, each with the values of [`columns`](Self::columns) in their order.
    pub(crate) async fn insert(
        &self,
        connection: &impl ConnectionTrait,
        dialect: Dialect,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), MigrateError> {
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let size = self.chunk(rows.len());
            let query = self.query(dialect, rows.by_ref().take(size));
            query.execute(connection).await?;
        }
        Ok(())
    }

    /// Returns the statement for one row, with the names of the columns in place of their values.
    pub(crate) fn template(&self, dialect: Dialect) -> String {
        let constants = self.constants.iter();
        let names = self.columns.iter().copied().chain(constants.clone().map(|(name, _)| *name));
        let values = self.columns.iter().map(|name| format!(":{name}"));
        let values = values.chain(constants.map(|(_, value)| value.clone()));
        let (names, values): (Vec<&str>, Vec<String>) = (names.collect(), values.collect());
        let (verb, names, values) = (verb(dialect), names.join(", "), values.join(", "));
        format!("{verb} INTO {} ({names}) VALUES ({values})", self.table)
    }

    fn chunk(&self, left: usize) -> usize {
        let fits = |size: &usize| *size <= left && size * self.columns.len() <= MAX_PARAMETERS;
        CHUNKS.into_iter().find(fits).unwrap_or(1)
    }

    fn query(&self, dialect: Dialect, rows: impl Iterator<Item = Vec<Value>>) -> Query {
        let names = self.constants.iter().map(|(name, _)| *name);
        let names: Vec<&str> = self.columns.iter().copied().chain(names).collect();
        let constants: String =
            self.constants.iter().map(|(_, value)| format!(", {value}")).collect();
        let mut query = Query::new(dialect, format!("{} INTO {} (", verb(dialect), self.table));
        query.push(&names.join(", ")).push(") VALUES ");
        for (at, row) in rows.enumerate() {
            query.push(if at == 0 { "(" } else { ", (" });
            for (at, value) in row.into_iter().enumerate() {
                let placeholder = query.bind(value);
                query.push(if at == 0 { "" } else { ", " }).push(&placeholder);
            }
            query.push(&constants).push(")");
        }
        query
    }
}

/// Returns the verb of an insert. A transaction that fails is rolled back as a whole, so SQLite need
/// not record how to undo each of its statements.
const fn verb(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "INSERT OR FAIL",
        _ => "INSERT",
    }
}

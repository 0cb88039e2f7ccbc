//! The schema of a live database, as far as reading and writing mapped tables needs it.

mod indexes;
mod mysql;
mod postgres;
mod references;
mod sqlite;

use sea_orm_migration::sea_orm::DatabaseConnection;

pub(crate) use indexes::has_index_on;
pub(crate) use references::{InboundKey, inbound_keys};

use super::cascade::cascading_keys;
use super::{CascadingKey, Dialect, SqlError, Table};

/// The tables and views of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// `sqlite`, `postgres` or `mysql` (which MariaDB is, too).
    pub database: &'static str,
    /// The schema of unqualified names; none on SQLite.
    pub default_schema: Option<String>,
    /// In the order of their names.
    pub tables: Vec<Table>,
    /// The foreign keys that change rows without firing a trigger.
    pub(crate) cascades: Vec<CascadingKey>,
}

impl Schema {
    /// Reads the schema, and writes nothing.
    ///
    /// On PostgreSQL this reads all schemas but the system's, on MySQL and MariaDB the connection's
    /// database.
    ///
    /// # Errors
    ///
    /// [`SqlError`] if a statement fails.
    pub async fn read(connection: &DatabaseConnection) -> Result<Self, SqlError> {
        let dialect = Dialect::of(connection.get_database_backend());
        let (default_schema, mut tables) = match dialect {
            Dialect::Sqlite => (None, sqlite::tables(connection).await?),
            Dialect::Postgres => postgres::tables(connection).await?,
            Dialect::Mysql => mysql::tables(connection).await?,
        };
        tables.sort_by(|one, other| (&one.schema, &one.name).cmp(&(&other.schema, &other.name)));
        let cascades = cascading_keys(dialect, connection).await?;
        Ok(Self { database: dialect.name(), default_schema, tables, cascades })
    }

    /// Returns the table with this name, in this schema or in the default one.
    #[must_use]
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<&Table> {
        let schema = schema.or(self.default_schema.as_deref());
        self.tables.iter().find(|table| table.schema.as_deref() == schema && table.name == name)
    }
}

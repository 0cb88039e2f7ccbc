//! The schema of a live database, as far as reading a source needs it.

mod kind;
mod postgres;
mod mysql;
mod sqlite;

use sea_orm_migration::sea_orm::DatabaseConnection;

pub use kind::ColumnKind;

use crate::source::dialect::Dialect;
use crate::source::error::SourceError;

/// The tables and views of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// `sqlite`, `postgres` or `mysql` (which MariaDB is, too).
    pub database: &'static str,
    /// The schema that unqualified names mean; none on SQLite.
    pub default_schema: Option<String>,
    /// In the order of their names.
    pub tables: Vec<Table>,
}

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// The schema it lies in; none on SQLite.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether it is a view, into which nothing can be written back.
    pub is_view: bool,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The columns of its primary key, in the key's order.
    pub primary_key: Vec<String>,
    /// The columns of each unique index or constraint, the primary key's among them.
    pub unique: Vec<Vec<String>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, in the database's own words.
    pub declared: String,
    /// What sort of values it is for.
    pub kind: ColumnKind,
    /// Whether it takes `NULL`.
    pub is_nullable: bool,
}

impl Schema {
    /// Reads the schema; writes nothing.
    ///
    /// On PostgreSQL all schemas but the system's are read, on MySQL and MariaDB the connection's
    /// database.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    pub async fn read(connection: &DatabaseConnection) -> Result<Self, SourceError> {
        let dialect = Dialect::of(connection.get_database_backend());
        let (default_schema, mut tables) = match dialect {
            Dialect::Sqlite => (None, sqlite::tables(connection).await?),
            Dialect::Postgres => postgres::tables(connection).await?,
            Dialect::Mysql => mysql::tables(connection).await?,
        };
        tables.sort_by(|one, other| (&one.schema, &one.name).cmp(&(&other.schema, &other.name)));
        Ok(Self { database: dialect.name(), default_schema, tables })
    }

    /// The table with this name, in this schema or in the default one.
    #[must_use]
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<&Table> {
        let schema = schema.or(self.default_schema.as_deref());
        self.tables.iter().find(|table| table.schema.as_deref() == schema && table.name == name)
    }
}

impl Table {
    /// The column with exactly this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a unique index that holds no `NULL` tells rows apart by these columns or fewer.
    #[must_use]
    pub fn is_unique(&self, columns: &[String]) -> bool {
        let is_given = |name: &String| {
            columns.contains(name) && self.column(name).is_some_and(|column| !column.is_nullable)
        };
        self.unique.iter().any(|index| !index.is_empty() && index.iter().all(is_given))
    }
}

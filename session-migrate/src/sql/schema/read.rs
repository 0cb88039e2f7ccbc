use sea_orm_migration::sea_orm::DatabaseConnection;

use super::{Schema, mysql, postgres, sqlite};
use crate::source::SourceError;
use crate::sql::Dialect;

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
}

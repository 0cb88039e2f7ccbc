//! Grafana's data keys, which lie beside its tokens.

use sea_orm_migration::sea_orm::DatabaseConnection;

use crate::source::SourceError;
use crate::source::codec::{Codecs, DataKeys};
use crate::sql::Cell;
use crate::sql::Dialect;
use crate::sql::Schema;
use crate::sql::{CellReader, Query};

impl Codecs {
    /// These codecs with the keys that the source keeps in its own database: Grafana's
    /// `data_keys`, if the schema has that table.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the statement fails.
    pub async fn with_keys_of(
        self,
        connection: &DatabaseConnection,
        schema: &Schema,
    ) -> Result<Self, SourceError> {
        let Some(table) = schema.table(None, "data_keys") else { return Ok(self) };
        let (Some(id), Some(key)) = (table.column("name"), table.column("encrypted_data")) else {
            return Ok(self);
        };
        let dialect = Dialect::of(connection.get_database_backend());
        let mut query = Query::new(dialect, "SELECT ");
        query.push(&dialect.fetch(&dialect.quote(&id.name), id.kind)).push(", ");
        query.push(&dialect.fetch(&dialect.quote(&key.name), key.kind));
        query.push(" FROM ").push(&dialect.table(table.schema.as_deref(), &table.name));
        let mut keys = DataKeys::none();
        for row in query.rows(connection).await? {
            let mut reader = CellReader::new(dialect, &row);
            let (id, key): (Cell, Cell) = (reader.cell(id.kind)?, reader.cell(key.kind)?);
            if let (Some(id), Some(key)) = (id.as_text(), key.as_bytes()) {
                keys = keys.with(id.into_owned(), key);
            }
        }
        Ok(self.with_data_keys(keys))
    }
}

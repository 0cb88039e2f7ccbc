//! The one connection of a run, and its source on it.

use sea_orm_migration::sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction};

use super::error::{PruneError, PruneErrorKind};
use crate::source::{
    Bound, Codecs, Mapping, SourceError, SourceErrorKind, SourceTable, row_location,
};
use crate::sql::pool::{PoolOptions, SHORT_BUSY_TIMEOUT};
use crate::sql::{Dialect, Schema, SqlError, Table, begin};

/// 48 MiB: a batch's rows are scattered over the pages of most indexes, and with SQLite's own 2 MiB
/// each page would be read and written many times.
const CACHE_KIB: u32 = 48 * 1024;

/// A source that can be pruned.
#[derive(Debug)]
pub(super) struct Session {
    /// A pool of one connection: temporary tables belong to it.
    pub(super) connection: DatabaseConnection,
    pub(super) source: SourceTable,
    pub(super) table: Table,
    /// What the database calls the place where a row lies, if it says.
    pub(super) place: Option<&'static str>,
}

impl Session {
    pub(super) async fn open(
        url: &str,
        mapping: &Mapping,
        codecs: &Codecs,
    ) -> Result<Self, PruneError> {
        let connection = connect(url).await?;
        let schema = Schema::read(&connection).await?;
        let codecs = codecs.clone().with_keys_of(&connection, &schema).await?;
        if let Some(table) = schema.table(mapping.schema.as_deref(), &mapping.table)
            && table.is_view
        {
            return Err(PruneError::because(PruneErrorKind::View, table.name.clone()));
        }
        let source = SourceTable::open(&connection, &schema, mapping, &codecs).await?;
        if !source.bound().is_key_indexed {
            let key = match mapping.key.as_slice() {
                [] => "the mapping has no key".to_owned(),
                columns => format!("{} is none in {:?}", columns.join(", "), mapping.table),
            };
            return Err(PruneError::because(PruneErrorKind::NoUniqueKey, key));
        }
        let table = schema.table(mapping.schema.as_deref(), &mapping.table).cloned();
        let table = table.ok_or_else(|| SourceError::new(SourceErrorKind::Schema))?;
        let place = row_location(&connection, source.bound().dialect, &table).await;
        Ok(Self { connection, source, table, place })
    }

    pub(super) const fn bound(&self) -> &Bound {
        self.source.bound()
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.bound().dialect
    }

    /// The mapped table's name, quoted.
    pub(super) fn table_sql(&self) -> String {
        self.dialect().table(self.table.schema.as_deref(), &self.table.name)
    }

    pub(super) async fn run(&self, sql: &str) -> Result<(), PruneError> {
        self.connection.execute_unprepared(sql).await.map(drop).map_err(PruneError::statement)
    }

    /// Begins a transaction that sees what is committed when each statement begins; on SQLite, one
    /// that is the only writer from its first moment.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, SqlError> {
        let transaction = begin(&self.connection).await?;
        if self.dialect() == Dialect::Postgres {
            // A batch is small beside its table: rows are found by their key, one by one, and the
            // table is not read from end to end for each batch.
            let sql = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
            transaction.execute_unprepared(sql).await?;
        }
        Ok(transaction)
    }

    pub(super) async fn close(self) {
        // Nothing is left to be done on it, and the process may go on without.
        let _ = self.connection.close().await;
    }
}

async fn connect(url: &str) -> Result<DatabaseConnection, SqlError> {
    let options = PoolOptions::new(1).cache_kib(CACHE_KIB).busy_timeout(SHORT_BUSY_TIMEOUT);
    options.connect(url).await
}

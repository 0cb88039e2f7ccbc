//! The table to prune, on the one connection of a run.

use std::sync::Arc;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, DatabaseConnection, DatabaseTransaction};

use super::error::{PruneError, PruneErrorKind};
use super::referrers::Referrers;
use crate::cap::{Cap, Count};
use crate::source::{
    Bound, Codecs, Mapping, SourceError, SourceErrorKind, SourceTable, row_location,
};
use crate::sql::pool::{PoolOptions, SHORT_BUSY_TIMEOUT};
use crate::sql::{Dialect, Schema, SqlError, Table, begin};

/// SQLite's page cache: 24 MiB. The rows of a batch are scattered over the pages of most indexes,
/// and with SQLite's default of 2 MiB each page would be read and written many times.
const CACHE_KIB: u32 = 24 * 1024;

/// A mapped table that can be pruned.
#[derive(Debug)]
pub(super) struct PrunableTable {
    /// A pool of one connection, because a temporary table belongs to its connection.
    pub(super) connection: DatabaseConnection,
    pub(super) source: Arc<SourceTable>,
    pub(super) table: Table,
    /// What the database calls the location of a row, if it has a name for it.
    pub(super) location: Option<&'static str>,
    pub(super) referrers: Referrers,
}

impl PrunableTable {
    /// Connects to the database and opens the table.
    pub(super) async fn connect(
        url: &str,
        mapping: &Mapping,
        codecs: &Codecs,
        cap: &Cap,
    ) -> Result<Self, PruneError> {
        let options = PoolOptions::new(1).cache_kib(CACHE_KIB).busy_timeout(SHORT_BUSY_TIMEOUT);
        Self::open(options.connect(url).await?, mapping, codecs, cap).await
    }

    /// Opens the table on this connection.
    pub(super) async fn open(
        connection: DatabaseConnection,
        mapping: &Mapping,
        codecs: &Codecs,
        cap: &Cap,
    ) -> Result<Self, PruneError> {
        let schema = Schema::read(&connection).await?;
        let (source, table) = check(&connection, &schema, mapping, codecs, cap).await?;
        let location = row_location(&connection, source.bound().dialect, &table).await;
        let referrers = Referrers::of(&connection, &table).await?;
        Ok(Self { connection, source: Arc::new(source), table, location, referrers })
    }

    pub(super) fn bound(&self) -> &Bound {
        self.source.bound()
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.bound().dialect
    }

    /// Returns the quoted name of the mapped table.
    pub(super) fn table_sql(&self) -> String {
        self.dialect().table(self.table.schema.as_deref(), &self.table.name)
    }

    /// Runs a statement without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), PruneError> {
        self.connection.execute_unprepared(sql).await.map(drop).map_err(PruneError::statement)
    }

    /// Begins a transaction for a batch.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, SqlError> {
        let transaction = begin(&self.connection).await?;
        if self.dialect() == Dialect::Postgres {
            // A batch is small beside its table: this makes PostgreSQL look rows up by their key
            // instead of scanning the table for each batch.
            let sql = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";
            transaction.execute_unprepared(sql).await?;
        }
        Ok(transaction)
    }

    pub(super) async fn close(self) {
        // Everything is committed: a failed close loses nothing.
        let _ = self.connection.close().await;
    }
}

/// Checks that the mapping fits the database, that its rows can be deleted one by one, that the cap
/// can rank them, and that the keys open at least one of them where usable rows rank first.
pub(super) async fn check(
    connection: &DatabaseConnection,
    schema: &Schema,
    mapping: &Mapping,
    codecs: &Codecs,
    cap: &Cap,
) -> Result<(SourceTable, Table), PruneError> {
    cap.moment(mapping)?;
    if mapping.table == "login_session" {
        return Err(PruneError::new(PruneErrorKind::SessionTable));
    }
    let table = schema.table(mapping.schema.as_deref(), &mapping.table);
    if let Some(view) = table.filter(|table| table.is_view) {
        return Err(PruneError::because(PruneErrorKind::View, view.name.clone()));
    }
    let codecs = codecs.clone().with_keys_of(connection, schema).await?;
    let source = SourceTable::open(connection, schema, mapping, &codecs).await?;
    if !source.bound().is_key_indexed {
        let detail = match mapping.key.as_slice() {
            [] => "the mapping has no key".to_owned(),
            columns => format!("{:?} has none on {}", mapping.table, columns.join(", ")),
        };
        return Err(PruneError::because(PruneErrorKind::NoUniqueKey, detail));
    }
    if cap.counted() == Count::Usable {
        let probe = source.probe_keys(connection).await?;
        if !probe.is_readable && probe.unreadable > 0 {
            let detail = format!("{} rows of {:?} with tokens", probe.unreadable, mapping.table);
            return Err(PruneError::because(PruneErrorKind::Unreadable, detail));
        }
    }
    let table = table.cloned().ok_or_else(|| SourceError::new(SourceErrorKind::Schema))?;
    Ok((source, table))
}

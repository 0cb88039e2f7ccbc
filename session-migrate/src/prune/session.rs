//! The one connection of a run, and its source on it.

use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};

use super::error::{PruneError, PruneErrorKind};
use crate::source::{
    Bound, Codecs, Dialect, Mapping, Schema, SourceError, SourceErrorKind, SourceTable, Table,
    place,
};
use crate::sql::pool::{checked, without_password};

/// For how long a server that does not answer is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// 48 MiB: a batch's rows are scattered over the pages of most indexes, and with SQLite's own 2 MiB
/// each page would be read and written many times.
#[cfg(feature = "sqlite")]
const CACHE_KIB: &str = "-49152";

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
        let place = place(&connection, source.bound().dialect, &table).await;
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
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = match self.dialect() {
            Dialect::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            _ => TransactionOptions {
                isolation_level: Some(IsolationLevel::ReadCommitted),
                ..TransactionOptions::default()
            },
        };
        let transaction = self.connection.begin_with_options(options).await?;
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

async fn connect(url: &str) -> Result<DatabaseConnection, PruneError> {
    let address = checked(url).map_err(|_| SourceError::new(SourceErrorKind::Address))?;
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).min_connections(1).sqlx_logging(false).record_stmt_in_spans(false);
    options.idle_timeout(None).max_lifetime(None).connect_timeout(CONNECT_TIMEOUT);
    #[cfg(feature = "sqlite")]
    options.map_sqlx_sqlite_opts(|options| options.pragma("cache_size", CACHE_KIB));
    let connection = Database::connect(options).await.map_err(|error| {
        SourceError::new(SourceErrorKind::Connection).caused_by(without_password(&error, &address))
    })?;
    Ok(connection)
}

//! Beginning a transaction with its isolation.

use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::{Dialect, SqlError};

/// Begins a transaction of which each statement sees what is committed when it begins (READ
/// COMMITTED); on SQLite, one that is the only writer from its start (BEGIN IMMEDIATE).
pub(crate) async fn begin(
    connection: &DatabaseConnection,
) -> Result<DatabaseTransaction, SqlError> {
    let options = match Dialect::of(connection.get_database_backend()) {
        Dialect::Sqlite => TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        },
        Dialect::Postgres | Dialect::Mysql => TransactionOptions {
            isolation_level: Some(IsolationLevel::ReadCommitted),
            ..TransactionOptions::default()
        },
    };
    Ok(connection.begin_with_options(options).await?)
}

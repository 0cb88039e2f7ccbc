//! Begins transactions on the target, and tells which failures a repetition can help against.

use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use crate::error::MigrateError;
use crate::source::{Complaint, Dialect};

/// Begins a transaction in which each statement sees what is committed when it starts; on SQLite,
/// one that holds the write lock from the beginning.
pub(crate) async fn begin(
    connection: &DatabaseConnection,
) -> Result<DatabaseTransaction, MigrateError> {
    let options = match Dialect::of(connection.get_database_backend()) {
        Dialect::Sqlite => TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        },
        _ => TransactionOptions {
            isolation_level: Some(IsolationLevel::ReadCommitted),
            ..TransactionOptions::default()
        },
    };
    Ok(connection.begin_with_options(options).await?)
}

/// Returns whether the transaction failed because another one was in its way, so that it may succeed
/// when it is repeated.
pub(crate) fn is_transient(error: &MigrateError) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(complaint) = error.downcast_ref::<Complaint>() {
            return complaint.is_contended();
        }
        cause = error.source();
    }
    false
}

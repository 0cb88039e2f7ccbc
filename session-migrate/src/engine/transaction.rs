//! Transactions on the target, and which failures a repetition helps against.

use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use crate::error::MigrateError;
use crate::source::{Complaint, Dialect};

/// Begins a transaction that sees what is committed when each statement begins; on SQLite, one
/// that is the only writer from its first moment.
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

/// Whether the same transaction may succeed when it is begun anew: another one was in its way.
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

//! Transactions that set their own isolation level.

use sea_orm::{
    DatabaseTransaction, DbBackend, DbErr, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::attempt_error::AttemptError;
use super::store::SeaOrmStore;
use crate::store::{StoreError, StoreErrorKind};

/// An open transaction. It is rolled back when it is dropped.
pub(super) struct Transaction {
    pub(super) inner: DatabaseTransaction,
    backend: DbBackend,
}

impl SeaOrmStore {
    /// Begins a READ COMMITTED transaction, whatever the server's default is; on SQLite, one that
    /// is the only writer from its first statement.
    ///
    /// Runs in a task of its own: if the caller is dropped before `BEGIN` is answered, SQLx forgets
    /// it, and the connection would go back to the pool within an open transaction. The task's
    /// result is rolled back when it is dropped.
    pub(super) async fn begin(&self) -> Result<Transaction, AttemptError> {
        let (connection, backend) = (self.connection.clone(), self.backend);
        let options = options(backend);
        let begun = tokio::spawn(async move { connection.begin_with_options(options).await }).await;
        match begun {
            Ok(Ok(inner)) => Ok(Transaction { inner, backend }),
            Ok(Err(error)) => Err(self.failed(error)),
            // The runtime is shutting down.
            Err(_) => Err(AttemptError::new(StoreError::new(StoreErrorKind::Unavailable))),
        }
    }

    /// Creates the error of a statement that left no effect.
    pub(super) fn failed(&self, error: DbErr) -> AttemptError {
        AttemptError::without_effect(self.backend, error)
    }

    /// Creates the error of a statement that commits by itself.
    pub(super) fn write_failed(&self, error: DbErr) -> AttemptError {
        AttemptError::of_write(self.backend, error)
    }
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), AttemptError> {
        let committed = self.inner.commit().await;
        committed.map_err(|error| AttemptError::of_write(self.backend, error))
    }

    /// Rolls back at once. A transaction that is only dropped leaves that to the next user of the
    /// connection.
    pub(super) async fn roll_back(self) -> Result<(), AttemptError> {
        let rolled_back = self.inner.rollback().await;
        rolled_back.map_err(|error| AttemptError::without_effect(self.backend, error))
    }
}

fn options(backend: DbBackend) -> TransactionOptions {
    match backend {
        DbBackend::Sqlite => TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        },
        _ => TransactionOptions {
            isolation_level: Some(IsolationLevel::ReadCommitted),
            ..TransactionOptions::default()
        },
    }
}

//! Transactions that set their own isolation, and what may happen at their ends.

use sea_orm::{
    DatabaseTransaction, DbBackend, DbErr, IsolationLevel, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

use super::SeaOrmStore;
use super::failure::Failure;
use crate::store::StoreErrorKind;

/// An open transaction; dropped, it is rolled back.
pub(super) struct Transaction {
    pub(super) inner: DatabaseTransaction,
    backend: DbBackend,
}

impl SeaOrmStore {
    /// Begins a transaction that sees what is committed when each statement begins, whatever the
    /// server's default is; on SQLite, one that is the only writer from its first moment.
    ///
    /// A task of its own begins it: SQLx forgets a `BEGIN` whose caller goes away before the
    /// answer, and the connection would go back to the pool within a transaction that nobody
    /// commits. The task's result is rolled back instead if nobody takes it.
    pub(super) async fn begin(&self) -> Result<Transaction, Failure> {
        let (connection, backend) = (self.connection.clone(), self.backend);
        let options = options(backend);
        let begun = tokio::spawn(async move { connection.begin_with_options(options).await }).await;
        match begun {
            Ok(Ok(inner)) => Ok(Transaction { inner, backend }),
            Ok(Err(error)) => Err(self.failed(error)),
            // The runtime is going down.
            Err(_) => Err(Failure::of(StoreErrorKind::Unavailable)),
        }
    }

    /// A failure that leaves nothing behind.
    pub(super) fn failed(&self, error: DbErr) -> Failure {
        Failure::without_effect(self.backend, error)
    }

    /// A failure of a statement that commits by itself.
    pub(super) fn write_failed(&self, error: DbErr) -> Failure {
        Failure::of_write(self.backend, error)
    }
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), Failure> {
        let committed = self.inner.commit().await;
        committed.map_err(|error| Failure::of_write(self.backend, error))
    }

    /// Ends it without effect, and without leaving the connection busy with that for the next.
    pub(super) async fn abandon(self) -> Result<(), Failure> {
        let rolled_back = self.inner.rollback().await;
        rolled_back.map_err(|error| Failure::without_effect(self.backend, error))
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

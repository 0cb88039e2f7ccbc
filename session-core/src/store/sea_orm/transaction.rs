//! Transactions that set their own isolation level, in as few messages as possible.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};

use super::attempt_error::AttemptError;
use super::connection::Connection;
use super::store::SeaOrmStore;
use crate::store::{StoreError, StoreErrorKind};

/// An open transaction. Dropped, it is rolled back, and the connection to a server is closed:
/// whether the last statement was answered is unknown.
pub(super) struct Transaction {
    connection: Connection,
    backend: DbBackend,
    /// Whether it is a transaction of SeaORM, which is ended by its methods.
    is_local: bool,
    /// Statements that are sent with the next message.
    deferred: String,
    /// Whether the server knows of the transaction.
    is_begun: bool,
}

impl SeaOrmStore {
    /// Begins a READ COMMITTED transaction, whatever the server's default is; on SQLite, one that
    /// is the only writer from its first statement.
    pub(super) async fn begin(&self) -> Result<Transaction, AttemptError> {
        let lent = self.pool.lend().await.map_err(|error| self.failed(error))?;
        let (mut connection, is_local) = match lent {
            Some(connection) => (connection, false),
            None => (self.begin_locally().await?, true),
        };
        connection.set_in_transaction(true);
        let deferred = if is_local { "" } else { begin_sql(self.backend) };
        let (backend, deferred) = (self.backend, deferred.to_owned());
        Ok(Transaction { connection, backend, is_local, deferred, is_begun: is_local })
    }

    /// Runs in a task of its own: if the caller is dropped before `BEGIN` is answered, SQLx forgets
    /// it, and the connection would go back to the pool within an open transaction. The task's
    /// result is rolled back when it is dropped.
    async fn begin_locally(&self) -> Result<Connection, AttemptError> {
        let connection = self.pool.connection.clone();
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let begun = tokio::spawn(async move { connection.begin_with_options(options).await }).await;
        match begun {
            Ok(Ok(transaction)) => {
                let observer = self.pool.observer.clone();
                Ok(Connection::local(transaction, self.backend, observer))
            }
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
    /// Runs statements without parameters in one message; returns the rows of all of them.
    pub(super) async fn query_text(&mut self, sql: &str) -> Result<Vec<QueryResult>, AttemptError> {
        let sql = self.with_deferred(sql);
        self.is_begun = true;
        let rows = self.connection.query_text(&sql).await;
        rows.map_err(|error| AttemptError::without_effect(self.backend, error))
    }

    /// Adds a statement without parameters to the next message.
    pub(super) fn defer(&mut self, sql: &str) {
        self.deferred = self.with_deferred(sql);
    }

    /// Returns the connection, for a statement with parameters.
    pub(super) async fn connection(&mut self) -> Result<&Connection, AttemptError> {
        self.send_deferred().await?;
        Ok(&self.connection)
    }

    pub(super) async fn commit(mut self) -> Result<(), AttemptError> {
        let backend = self.backend;
        let committed = if self.is_local {
            self.send_deferred().await?;
            match self.connection.into_local() {
                Some(transaction) => transaction.commit().await,
                None => Ok(()),
            }
        } else {
            let sql = self.with_deferred("COMMIT");
            let committed = self.connection.execute_unprepared(&sql).await;
            self.connection.set_in_transaction(committed.is_err());
            committed.map(drop)
        };
        committed.map_err(|error| AttemptError::of_write(backend, error))
    }

    /// Rolls back at once, so that the connection can go back to the pool.
    pub(super) async fn roll_back(mut self) -> Result<(), AttemptError> {
        if self.connection.is_unfit() {
            return Ok(());
        }
        let backend = self.backend;
        let rolled_back = if self.is_local {
            match self.connection.into_local() {
                Some(transaction) => transaction.rollback().await,
                None => Ok(()),
            }
        } else {
            let rolled_back = match self.is_begun {
                true => self.connection.execute_unprepared("ROLLBACK").await.map(drop),
                false => Ok(()),
            };
            self.connection.set_in_transaction(rolled_back.is_err());
            rolled_back
        };
        rolled_back.map_err(|error| AttemptError::without_effect(backend, error))
    }

    async fn send_deferred(&mut self) -> Result<(), AttemptError> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        self.query_text("").await.map(drop)
    }

    /// Takes the deferred statements, followed by this one.
    fn with_deferred(&mut self, sql: &str) -> String {
        let mut all = std::mem::take(&mut self.deferred);
        if !all.is_empty() && !sql.is_empty() {
            all.push_str("; ");
        }
        all.push_str(sql);
        all
    }
}

fn begin_sql(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        _ => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION",
    }
}

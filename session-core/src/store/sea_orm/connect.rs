//! Opens a store with suitable connection options.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend};

use super::attempt_error::AttemptError;
use super::store::SeaOrmStore;
use crate::store::StoreError;

/// How long a statement may run before PostgreSQL cancels it.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of connections to a SQLite file, so that readers do not wait for the one writer.
const SQLITE_CONNECTIONS: u32 = 4;

impl SeaOrmStore {
    /// Connects to the database at this address, with the options of
    /// [`connect_options`](Self::connect_options).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the address is invalid or the database cannot be reached. The
    /// address is not part of the error, since it contains a password.
    pub async fn connect(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::connect_options(ConnectOptions::new(url)).await
    }

    /// Connects to the database that these options name.
    ///
    /// Options that are not set get defaults: a request waits 5 s for a connection, PostgreSQL
    /// cancels a statement after 30 s, a SQLite file is used by four connections, and a SQLite
    /// database in memory by one connection that never closes. A SQLite file is put into WAL mode.
    ///
    /// Two options are always changed. Connections are not tested before each use: that costs a
    /// round trip, and the store repeats a statement that meets a dead connection. And SQLx does
    /// not log statements; to have them logged, open the pool yourself and use [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the address is invalid or the database cannot be reached. The
    /// address is not part of the error, since it contains a password.
    pub async fn connect_options(mut options: ConnectOptions) -> Result<Self, StoreError> {
        let backend = backend_of(options.get_url());
        options.test_before_acquire(false).sqlx_logging(false);
        if options.get_acquire_timeout().is_none() && options.get_connect_timeout().is_none() {
            options.acquire_timeout(ACQUIRE_TIMEOUT);
        }
        if options.get_statement_timeout().is_none() {
            options.statement_timeout(STATEMENT_TIMEOUT);
        }
        let in_memory = backend == DbBackend::Sqlite && is_in_memory(options.get_url());
        if in_memory {
            options.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
        } else if backend == DbBackend::Sqlite && options.get_max_connections().is_none() {
            options.max_connections(SQLITE_CONNECTIONS);
        }
        let failed = |error| AttemptError::without_effect(backend, error).error;
        let connection = Database::connect(options).await.map_err(failed)?;
        let store = Self::new(connection);
        if backend == DbBackend::Sqlite && !in_memory {
            store.write_ahead().await?;
        }
        Ok(store)
    }

    /// Puts a SQLite file into WAL mode, which the file keeps. SQLite's busy timeout does not cover
    /// this statement: it is repeated if another process opens the file at the same moment.
    async fn write_ahead(&self) -> Result<(), StoreError> {
        self.repeat(|_| async {
            let set = self.connection.execute_unprepared("PRAGMA journal_mode = WAL").await;
            set.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }
}

/// Guesses the database, to classify errors of connecting only; SeaORM parses the address itself.
fn backend_of(url: &str) -> DbBackend {
    let scheme = url.split(':').next().unwrap_or_default();
    match scheme {
        "mysql" => DbBackend::MySql,
        "sqlite" => DbBackend::Sqlite,
        _ => DbBackend::Postgres,
    }
}

fn is_in_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

#[cfg(test)]
mod tests {
    use super::SeaOrmStore;
    use crate::store::StoreErrorKind;

    #[tokio::test]
    async fn no_error_contains_the_address() {
        for url in ["postgres://u:hunter2@/?sslmode=hunter2", "hunter2", "redis://u:hunter2@host"] {
            let error = SeaOrmStore::connect(url).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Rejected);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}

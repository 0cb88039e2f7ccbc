//! Opens a store with suitable connection options.

use std::time::Duration;

#[cfg(feature = "mysql")]
use sea_orm::sqlx::{AssertSqlSafe, Executor as _};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend};

use super::attempt_error::AttemptError;
use super::store::SeaOrmStore;
use crate::store::StoreError;

/// How long a server works on a statement or waits within a transaction before it gives up: a
/// little longer than a manager waits for the store, so that a caller that left leaves no work.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(6);

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
    /// Options that are not set get defaults: a request waits 5 s for a connection, a server gives
    /// up a statement after 6 s, a SQLite file is used by four connections, and a SQLite database in
    /// memory by one connection that never closes. A SQLite file is put into WAL mode.
    ///
    /// The statement timeout also bounds, a little shorter, how long a server waits for a lock, and
    /// how long a transaction may be idle, so that a process that stops within one blocks no other
    /// for long. MySQL 8 knows the first only for queries and the last not at all: there, let TCP
    /// find dead clients soon.
    ///
    /// Some options are always changed. Connections are not tested before each use: that costs a
    /// round trip, and the store repeats a statement that meets a dead connection. SQLx does not
    /// log statements. And the timeouts take the places of `map_sqlx_postgres_opts` and
    /// `map_sqlx_mysql_pool_opts`. To have it otherwise, open the pool yourself and use
    /// [`new`](Self::new).
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
        let timeout = options.get_statement_timeout().unwrap_or(STATEMENT_TIMEOUT);
        options.statement_timeout(timeout);
        bound_waits(&mut options, timeout);
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
            let set = self.pool.execute_unprepared("PRAGMA journal_mode = WAL").await;
            set.map(drop).map_err(|error| self.failed(error))
        })
        .await
    }
}

/// Bounds what a server waits for besides a statement, which SeaORM bounds on PostgreSQL. A lock is
/// given up first: its error tells more, and the attempt is repeated.
#[cfg_attr(not(any(feature = "postgres", feature = "mysql")), allow(unused_variables))]
fn bound_waits(options: &mut ConnectOptions, timeout: Duration) {
    let lock = timeout * 5 / 6;
    #[cfg(feature = "postgres")]
    options.map_sqlx_postgres_opts(move |server| {
        server.options([
            ("lock_timeout", lock.as_millis()),
            ("idle_in_transaction_session_timeout", timeout.as_millis()),
        ])
    });
    #[cfg(feature = "mysql")]
    options.map_sqlx_mysql_pool_opts(move |pool| {
        pool.after_connect(move |connection, _| {
            let sql = bounds_of_mysql(timeout, lock);
            Box::pin(async move { connection.execute(AssertSqlSafe(sql)).await.map(drop) })
        })
    });
}

/// One statement for both servers: each ignores what stands in a comment for the other. Locks and
/// idle transactions are counted in whole seconds, of which zero would be none or for ever.
#[cfg(feature = "mysql")]
fn bounds_of_mysql(timeout: Duration, lock: Duration) -> String {
    let (millis, seconds) = (timeout.as_millis(), timeout.as_secs().max(1));
    let lock = lock.as_secs().max(1);
    format!(
        "SET SESSION innodb_lock_wait_timeout = {lock}, lock_wait_timeout = {lock} \
         /*M!100300 , max_statement_time = {millis} / 1000, idle_transaction_timeout = {seconds} */ \
         /*!80000 , max_execution_time = {millis} */"
    )
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

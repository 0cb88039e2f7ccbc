//! Connections and transactions: addresses, and how a pool is opened and a transaction begun.

use std::path::Path;
use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    IsolationLevel, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use url::Url;

use super::{Dialect, Query, RedactedDbError, SqlError, SqlErrorKind};

/// For how long a server that does not answer is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// For how long SQLite waits for a lock that another connection holds: as long as another process
/// may take to create the tables.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// The same for work that only reads, or that is repeated when it waited in vain.
pub(crate) const SHORT_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many rows SQLite's thread has ready before it waits: for each row that is waited for, two
/// threads take turns.
#[cfg(feature = "sqlite")]
const READY_ROWS: usize = 500;

/// How many prepared statements SQLite keeps for each connection: those of batches are long.
#[cfg(feature = "sqlite")]
const CACHED_STATEMENTS: usize = 16;

/// How a pool is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolOptions {
    connections: u32,
    cache_kib: Option<u32>,
    busy_timeout: Duration,
}

impl PoolOptions {
    /// Creates the options of a pool of so many connections, which all stay open: what belongs to
    /// the only connection of a pool, such as an advisory lock, stays too.
    pub(crate) const fn new(connections: u32) -> Self {
        Self { connections, cache_kib: None, busy_timeout: BUSY_TIMEOUT }
    }

    /// Sets how much each of SQLite's connections caches, in KiB (SQLite's own: 2 MiB). Pages that
    /// find no place are written before the transaction ends, and block readers from then on.
    pub(crate) const fn cache_kib(mut self, kib: u32) -> Self {
        self.cache_kib = Some(kib);
        self
    }

    /// Sets for how long SQLite waits for a lock that another connection holds.
    pub(crate) const fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens the pool. A SQLite file is created only if the address says so.
    pub(crate) async fn connect(self, url: &str) -> Result<DatabaseConnection, SqlError> {
        let address = checked(url)?;
        let mut options = ConnectOptions::new(url);
        options.max_connections(self.connections).min_connections(1).sqlx_logging(false);
        options.record_stmt_in_spans(false).test_before_acquire(false);
        options.idle_timeout(None).max_lifetime(None).connect_timeout(CONNECT_TIMEOUT);
        #[cfg(feature = "sqlite")]
        options.map_sqlx_sqlite_opts(move |options| {
            let options = options.busy_timeout(self.busy_timeout).row_buffer_size(READY_ROWS);
            let options = options.statement_cache_capacity(CACHED_STATEMENTS);
            match self.cache_kib {
                Some(kib) => options.pragma("cache_size", format!("-{kib}")),
                None => options,
            }
        });
        Database::connect(options).await.map_err(|error| {
            let cause = RedactedDbError::from(without_password(&error, &address));
            SqlError::new(SqlErrorKind::Connection, Some(cause))
        })
    }
}

/// Opens one connection on which the database refuses every write. A SQLite file that is missing
/// is not created.
///
/// # Errors
///
/// [`SqlError`] if the address is invalid or the database cannot be reached; its text never
/// contains the address's password.
pub async fn connect_read_only(url: &str) -> Result<DatabaseConnection, SqlError> {
    let options = PoolOptions::new(1).busy_timeout(SHORT_BUSY_TIMEOUT);
    let connection = match options.connect(&read_only(url)).await {
        Err(error) if error.kind() == SqlErrorKind::Connection && url.starts_with("sqlite:") => {
            recover(url, options).await?;
            options.connect(&read_only(url)).await?
        }
        connection => connection?,
    };
    let sql = match Dialect::of(connection.get_database_backend()) {
        Dialect::Sqlite => "PRAGMA query_only = ON",
        Dialect::Postgres => "SET default_transaction_read_only = on",
        Dialect::Mysql => "SET SESSION TRANSACTION READ ONLY",
    };
    connection.execute_unprepared(sql).await?;
    Ok(connection)
}

/// Lets SQLite undo the transaction of a process that was killed: a connection that cannot write
/// cannot read either until that is done.
async fn recover(url: &str, options: PoolOptions) -> Result<(), SqlError> {
    let connection = options.connect(&existing(url)).await?;
    let read = connection.execute_unprepared("SELECT COUNT(*) FROM sqlite_master").await;
    let _ = connection.close().await;
    read.map(drop).map_err(SqlError::from)
}

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

/// Opens so many connections of a pool, and returns the ids that the server gave them; none on SQLite.
pub(crate) async fn server_ids(
    pool: &DatabaseConnection,
    connections: u32,
) -> Result<Vec<u64>, SqlError> {
    let dialect = Dialect::of(pool.get_database_backend());
    let Some(sql) = dialect.connection_id() else { return Ok(Vec::new()) };
    let (mut ids, mut open) = (Vec::new(), Vec::new());
    for _ in 0..connections {
        // A transaction keeps its connection, so that the next one opens another.
        let transaction = begin(pool).await?;
        ids.push(Query::new(dialect, sql).number(&transaction).await?);
        open.push(transaction);
    }
    for transaction in open {
        transaction.rollback().await?;
    }
    Ok(ids)
}

/// Returns the address, or, where the SQLite file is missing, that of an empty database: reading
/// must not create the file.
pub(crate) fn or_empty(url: &str) -> &str {
    match sqlite_path(url) {
        Some(path) if !path.exists() => "sqlite::memory:",
        _ => url,
    }
}

/// Returns the path of the SQLite file that an address names, whether it exists or not.
pub(crate) fn sqlite_path(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite:")?.trim_start_matches("//").split('?').next()?;
    (!path.is_empty() && !path.contains(":memory:")).then_some(Path::new(path))
}

/// Returns the address with a mode that creates no SQLite file.
pub(crate) fn existing(url: &str) -> String {
    if url.starts_with("sqlite:") { url.replace("mode=rwc", "mode=rw") } else { url.to_owned() }
}

/// Returns the address with a mode that creates the SQLite file, unless it names a mode.
pub(crate) fn created(url: &str) -> String {
    match (url.starts_with("sqlite:") && !url.contains("mode="), url.contains('?')) {
        (false, _) => url.to_owned(),
        (true, true) => format!("{url}&mode=rwc"),
        (true, false) => format!("{url}?mode=rwc"),
    }
}

/// Returns the address of a SQLite file with a mode that neither writes nor creates it.
fn read_only(url: &str) -> String {
    if !url.starts_with("sqlite:") || url.contains(":memory:") || url.contains("mode=memory") {
        return url.to_owned();
    }
    let (file, query) = url.split_once('?').unwrap_or((url, ""));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("mode="));
    let query: Vec<&str> = kept.chain(["mode=ro"]).collect();
    format!("{file}?{}", query.join("&"))
}

/// Parses the address before SeaORM does, which repeats an invalid one with its password.
fn checked(url: &str) -> Result<Url, SqlError> {
    let supported = |scheme: &str| {
        (cfg!(feature = "sqlite") && scheme == "sqlite")
            || (cfg!(feature = "postgres") && matches!(scheme, "postgres" | "postgresql"))
            || (cfg!(feature = "mysql") && scheme == "mysql")
    };
    let whole = |address: &Url| address.scheme() == "sqlite" || !address.cannot_be_a_base();
    let address = Url::parse(url).ok().filter(|address| supported(address.scheme()));
    let address = address.filter(whole);
    address.ok_or(SqlError::new(SqlErrorKind::Address, None))
}

/// Returns the text of a failed connection without the address and its password.
fn without_password(error: &DbErr, address: &Url) -> String {
    let text = error.to_string().replace(address.as_str(), "the address");
    match address.password() {
        Some(password) if !password.is_empty() => text.replace(password, "***"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{checked, read_only, without_password};
    use crate::sql::SqlErrorKind;
    use sea_orm_migration::DbErr;

    #[test]
    fn an_address_of_no_database_is_refused_without_repeating_it() {
        for url in [
            "",
            "hunter2",
            "redis://u:hunter2@host/0",
            "postgres//u:hunter2@host",
            "mysql:u:hunter2",
        ] {
            let error = checked(url).unwrap_err();
            assert_eq!(error.kind(), SqlErrorKind::Address);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_drivers_message_loses_the_password() {
        let url = "postgres://u:hunter2@host/db";
        let error = DbErr::Custom(format!("cannot use {url} with hunter2"));
        let text = without_password(&error, &checked(url).unwrap());
        assert_eq!(text, "Custom Error: cannot use the address with ***");
    }

    #[test]
    fn a_sqlite_file_is_never_created() {
        assert_eq!(read_only("sqlite://a.db"), "sqlite://a.db?mode=ro");
        assert_eq!(read_only("sqlite://a.db?mode=rwc&x=1"), "sqlite://a.db?x=1&mode=ro");
        assert_eq!(read_only("postgres://h/d?mode=rwc"), "postgres://h/d?mode=rwc");
        assert_eq!(read_only("sqlite::memory:"), "sqlite::memory:");
    }
}

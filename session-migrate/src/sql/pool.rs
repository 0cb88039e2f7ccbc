//! One connection to a database, on which one process at a time migrates.

use std::time::Duration;

use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement,
};
use url::Url;

use crate::{MigrateError, MigrateErrorKind, Migrator, Step};

/// The advisory lock's name on PostgreSQL: any number that nobody else is likely to take.
const LOCK_NUMBER: i64 = 0x7365_7373_6d69_6772;

/// For how long a server that does not answer is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long SQLite waits for a lock that another connection holds.
#[cfg(feature = "sqlite")]
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// 16 MiB.
#[cfg(feature = "sqlite")]
const CACHE_KIB: &str = "-16384";

/// How many rows SQLite's thread has ready before it waits: for each that is waited for, two
/// threads change places.
#[cfg(feature = "sqlite")]
const ROWS_READY: usize = 500;

/// How long a process waits for another one that is migrating, in seconds.
const PATIENCE_SECONDS: u32 = 60;

/// A pool of one connection: advisory locks belong to a connection.
pub(crate) struct Connection(DatabaseConnection);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Down,
    Up,
}

/// Opens the one connection.
pub(crate) async fn open(url: &str) -> Result<Connection, MigrateError> {
    single(url).await.map(Connection)
}

/// A pool of one connection that stays: what belongs to a connection belongs to it.
pub(crate) async fn single(url: &str) -> Result<DatabaseConnection, MigrateError> {
    pool(url, 1, Cache::Small).await
}

/// How many pages each of SQLite's connections keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    /// Its own 2 MiB. The pages that find no place are written before the transaction ends, and
    /// nobody else reads from then on.
    Small,
    /// As many as a batch of rows changes, so that others go on reading until it ends.
    Large,
}

/// A pool of so many connections, for work that reads and writes at once.
///
/// SQLite waits as long for a lock as others migrate; nothing is created that is not there.
pub(crate) async fn pool(
    url: &str,
    size: u32,
    cache: Cache,
) -> Result<DatabaseConnection, MigrateError> {
    let address = checked(url)?;
    let mut options = ConnectOptions::new(url);
    options.max_connections(size).min_connections(1).sqlx_logging(false);
    options.record_stmt_in_spans(false).test_before_acquire(false);
    options.idle_timeout(None).max_lifetime(None).connect_timeout(CONNECT_TIMEOUT);
    #[cfg(feature = "sqlite")]
    options.map_sqlx_sqlite_opts(move |options| {
        let options = options.busy_timeout(BUSY_TIMEOUT).row_buffer_size(ROWS_READY);
        match cache {
            Cache::Small => options,
            Cache::Large => options.pragma("cache_size", CACHE_KIB),
        }
    });
    Database::connect(options).await.map_err(|error| {
        MigrateError::new(MigrateErrorKind::Connection)
            .caused_by(without_password(&error, &address))
    })
}

/// This address; or, of a SQLite file that is not there, that of an empty database: to read from it
/// must not make it.
pub(crate) fn or_empty(url: &str) -> &str {
    let path = url.strip_prefix("sqlite:").map(|rest| rest.trim_start_matches("//"));
    let path = path.and_then(|path| path.split('?').next()).unwrap_or_default();
    let is_file = !path.is_empty() && !path.contains(":memory:");
    if is_file && !std::path::Path::new(path).exists() { "sqlite::memory:" } else { url }
}

/// A SQLite address that creates nothing.
pub(crate) fn existing(url: &str) -> String {
    if url.starts_with("sqlite:") { url.replace("mode=rwc", "mode=rw") } else { url.to_owned() }
}

/// SeaORM repeats an address that it cannot read, with its password; so it does not get it.
pub(crate) fn checked(url: &str) -> Result<Url, MigrateError> {
    let supported = |scheme: &str| {
        (cfg!(feature = "sqlite") && scheme == "sqlite")
            || (cfg!(feature = "postgres") && matches!(scheme, "postgres" | "postgresql"))
            || (cfg!(feature = "mysql") && scheme == "mysql")
    };
    let whole = |address: &Url| address.scheme() == "sqlite" || !address.cannot_be_a_base();
    let address = Url::parse(url).ok().filter(|address| supported(address.scheme()));
    let address = address.filter(whole);
    address.ok_or(MigrateError::new(MigrateErrorKind::Address))
}

/// What a driver says of a connection that failed, whatever of the address it repeats.
pub(crate) fn without_password(error: &DbErr, address: &Url) -> String {
    let text = error.to_string().replace(address.as_str(), "the address");
    match address.password() {
        Some(password) if !password.is_empty() => text.replace(password, "***"),
        _ => text,
    }
}

fn failed(error: DbErr) -> MigrateError {
    MigrateError::from(error)
}

impl Connection {
    /// Does the work while no other process does any; gives the names of the steps.
    pub(crate) async fn alone(&self, work: Work) -> Result<Vec<String>, MigrateError> {
        self.lock().await?;
        let done = self.work(work).await;
        let released = self.unlock(done.is_ok()).await;
        let names = done.map_err(failed)?;
        released.map_err(failed)?;
        Ok(names)
    }

    async fn work(&self, work: Work) -> Result<Vec<String>, DbErr> {
        let steps = Migrator::get_migration_with_status(&self.0).await?;
        let open = steps.iter().filter(|step| is_applied(step) == (work == Work::Down));
        let names = open.map(|step| step.name().to_owned()).collect();
        match work {
            Work::Down => Migrator::down(&self.0, None).await?,
            Work::Up => Migrator::up(&self.0, None).await?,
        }
        Ok(names)
    }

    pub(crate) async fn steps(&self) -> Result<Vec<Step>, MigrateError> {
        let steps = Migrator::get_migration_with_status_read_only(&self.0).await;
        let step = |step: &sea_orm_migration::Migration| Step {
            name: step.name().to_owned(),
            is_applied: is_applied(step),
        };
        Ok(steps.map_err(failed)?.iter().map(step).collect())
    }

    pub(crate) async fn close(self) {
        // Nothing is left to be done on it, and the process may go on without.
        let _ = self.0.close().await;
    }

    async fn lock(&self) -> Result<(), MigrateError> {
        let is_ours = match self.0.get_database_backend() {
            DbBackend::Postgres => self.lock_postgres().await,
            DbBackend::MySql => self.lock_mysql().await,
            _ => self.lock_sqlite().await,
        };
        match is_ours {
            Ok(true) => Ok(()),
            Ok(false) => Err(MigrateError::new(MigrateErrorKind::Busy)),
            // "lock timeout" on PostgreSQL, "database is locked" on SQLite.
            Err(error) if error.to_string().contains("lock") => {
                Err(MigrateError::new(MigrateErrorKind::Busy).caused_by(error))
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn lock_postgres(&self) -> Result<bool, DbErr> {
        let wait = format!("SET lock_timeout = '{PATIENCE_SECONDS}s'");
        self.0.execute_unprepared(&wait).await?;
        let lock = format!("SELECT pg_advisory_lock({LOCK_NUMBER})");
        self.0.execute_unprepared(&lock).await?;
        Ok(true)
    }

    async fn lock_mysql(&self) -> Result<bool, DbErr> {
        let lock = format!("SELECT GET_LOCK({MYSQL_LOCK}, {PATIENCE_SECONDS})");
        let lock = Statement::from_string(DbBackend::MySql, lock);
        let row = self.0.query_one_raw(lock).await?;
        let answer: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
        Ok(answer == Some(1))
    }

    async fn lock_sqlite(&self) -> Result<bool, DbErr> {
        let wait = format!("PRAGMA busy_timeout = {}", PATIENCE_SECONDS * 1000);
        self.0.execute_unprepared(&wait).await?;
        self.0.execute_unprepared("BEGIN IMMEDIATE").await?;
        Ok(true)
    }

    async fn unlock(&self, is_done: bool) -> Result<(), DbErr> {
        let sql = match self.0.get_database_backend() {
            DbBackend::Postgres => format!("SELECT pg_advisory_unlock({LOCK_NUMBER})"),
            DbBackend::MySql => format!("DO RELEASE_LOCK({MYSQL_LOCK})"),
            _ => if is_done { "COMMIT" } else { "ROLLBACK" }.to_owned(),
        };
        self.0.execute_unprepared(&sql).await.map(drop)
    }
}

/// MySQL's lock names are the server's, and at most 64 characters long.
const MYSQL_LOCK: &str = "CONCAT('session-migrate:', LEFT(SHA2(DATABASE(), 256), 40))";

fn is_applied(step: &sea_orm_migration::Migration) -> bool {
    step.status() == sea_orm_migration::MigrationStatus::Applied
}

#[cfg(test)]
mod tests {
    use super::{checked, without_password};
    use crate::MigrateErrorKind;
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
            assert_eq!(error.kind(), MigrateErrorKind::Address);
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
}

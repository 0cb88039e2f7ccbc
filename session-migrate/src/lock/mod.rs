//! One process at a time works on the moves of a database, under a lock that ends with its process.
//!
//! On PostgreSQL, MySQL and MariaDB it is an advisory lock on a connection of its own; for a SQLite
//! file it is a file lock of the operating system. A killed process leaves no lock behind.

mod acquisition;
mod file;
mod server;

use sea_orm_migration::sea_orm::DatabaseConnection;

use crate::error::{MigrateError, MigrateErrorKind};
use crate::sql::Dialect;
pub(crate) use acquisition::Acquisition;
use file::FileLock;
use server::ServerLock;
pub(crate) use server::end_connections;

/// The exclusive right to work on the moves of a database, while this value lives.
#[derive(Debug)]
pub(crate) enum Lock {
    File(FileLock),
    Server(ServerLock),
}

/// How long a command waits for the lock, in seconds.
const PATIENCE: u32 = 3;

impl Lock {
    /// Acquires the lock, or returns which process has it.
    pub(crate) async fn take(
        url: &str,
        connection: &DatabaseConnection,
        owner: &str,
    ) -> Result<Acquisition<Self>, MigrateError> {
        Self::take_within(url, connection, owner, PATIENCE).await
    }

    async fn take_within(
        url: &str,
        connection: &DatabaseConnection,
        owner: &str,
        patience: u32,
    ) -> Result<Acquisition<Self>, MigrateError> {
        match Dialect::of(connection.get_database_backend()) {
            Dialect::Sqlite => match file::lock_path(connection).await? {
                Some(path) => Ok(file::take(&path, owner)?.map(Self::File)),
                None => Err(MigrateError::because(
                    MigrateErrorKind::Usage,
                    "a database in memory cannot be moved: give a file",
                )),
            },
            dialect => Ok(server::take(url, dialect, patience).await?.map(Self::Server)),
        }
    }

    /// Returns which process has the lock, if any, without keeping it.
    pub(crate) async fn holder(
        url: &str,
        connection: &DatabaseConnection,
    ) -> Result<Option<String>, MigrateError> {
        let reader = "a process that reads the status";
        match Self::take_within(url, connection, reader, 0).await? {
            Acquisition::HeldBy(holder) => Ok(Some(holder)),
            Acquisition::Acquired(lock) => {
                lock.release().await;
                Ok(None)
            }
        }
    }

    /// Returns the name of this process that others read from the lock; none on a server.
    pub(crate) fn owner(&self) -> Option<&str> {
        match self {
            Self::File(lock) => Some(lock.owner()),
            Self::Server(_) => None,
        }
    }

    /// Returns the server's id of this process's connection; none for a file.
    pub(crate) const fn connection(&self) -> Option<u64> {
        match self {
            Self::File(_) => None,
            Self::Server(lock) => Some(lock.id()),
        }
    }

    /// Returns the server's id of the connection that has the lock; `None` if it is free.
    ///
    /// # Errors
    ///
    /// Returns an error of the kind `Busy` if a process has the lock of a file: it ends with the
    /// process alone.
    pub(crate) async fn connection_of_holder(
        url: &str,
        connection: &DatabaseConnection,
    ) -> Result<Option<u64>, MigrateError> {
        let dialect = Dialect::of(connection.get_database_backend());
        if dialect != Dialect::Sqlite {
            return server::holder(connection, dialect).await;
        }
        match Self::holder(url, connection).await? {
            None => Ok(None),
            Some(holder) => Err(MigrateError::because(
                MigrateErrorKind::Busy,
                format!("{holder} is running and has the lock: stop that process"),
            )),
        }
    }

    /// Releases the lock.
    pub(crate) async fn release(self) {
        match self {
            Self::File(lock) => drop(lock),
            Self::Server(lock) => lock.close().await,
        }
    }
}

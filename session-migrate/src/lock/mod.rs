//! One process at a time works on a database's moves, by a lock that dies with its process.
//!
//! On PostgreSQL, MySQL and MariaDB it is an advisory lock of a connection of its own; beside a
//! SQLite file it is a lock of the operating system. Nothing is left behind by a process that was
//! killed.

mod file;
mod server;

use sea_orm_migration::sea_orm::DatabaseConnection;

use crate::error::{MigrateError, MigrateErrorKind};
use crate::sql::Dialect;
use file::FileLock;
use server::ServerLock;

/// The right to work on the moves of a database, as long as this value lives.
#[derive(Debug)]
pub(crate) enum Lock {
    File(FileLock),
    Server(ServerLock),
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub(crate) async fn take(
        url: &str,
        connection: &DatabaseConnection,
        owner: &str,
    ) -> Result<Acquisition<Self>, MigrateError> {
        match Dialect::of(connection.get_database_backend()) {
            Dialect::Sqlite => match file::lock_path(connection).await? {
                Some(path) => Ok(file::take(&path, owner)?.map(Self::File)),
                None => Err(MigrateError::because(
                    MigrateErrorKind::Usage,
                    "a database in memory cannot be moved",
                )),
            },
            dialect => Ok(server::take(url, dialect).await?.map(Self::Server)),
        }
    }

    /// Whether somebody has the lock; takes none.
    pub(crate) async fn holder(
        url: &str,
        connection: &DatabaseConnection,
    ) -> Result<Option<String>, MigrateError> {
        match Self::take(url, connection, "a process that only looks").await? {
            Acquisition::HeldBy(holder) => Ok(Some(holder)),
            Acquisition::Acquired(lock) => {
                lock.release().await;
                Ok(None)
            }
        }
    }

    /// Takes the lock away from whoever has it; gives who that was.
    pub(crate) async fn break_open(
        url: &str,
        connection: &DatabaseConnection,
    ) -> Result<Option<String>, MigrateError> {
        let Some(holder) = Self::holder(url, connection).await? else { return Ok(None) };
        match Dialect::of(connection.get_database_backend()) {
            Dialect::Sqlite => Err(MigrateError::because(
                MigrateErrorKind::Busy,
                format!("{holder}: it is alive, and the lock dies with it; stop that process"),
            )),
            dialect => {
                server::end_holder(url, dialect).await?;
                Ok(Some(holder))
            }
        }
    }

    /// Gives the lock back.
    pub(crate) async fn release(self) {
        match self {
            Self::File(lock) => drop(lock),
            Self::Server(lock) => lock.close().await,
        }
    }
}

/// The outcome of trying to take a lock: ours, or who has it.
#[derive(Debug)]
pub(crate) enum Acquisition<T> {
    Acquired(T),
    HeldBy(String),
}

impl<T> Acquisition<T> {
    /// Ours as something else.
    fn map<U>(self, ours: impl FnOnce(T) -> U) -> Acquisition<U> {
        match self {
            Self::Acquired(lock) => Acquisition::Acquired(ours(lock)),
            Self::HeldBy(holder) => Acquisition::HeldBy(holder),
        }
    }
}

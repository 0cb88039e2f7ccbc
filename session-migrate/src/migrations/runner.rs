//! Applies and reverts the steps, one process at a time.

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement,
};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use super::add_moves::refusal;
use super::steps::{Migrator, Step};
use crate::error::{MigrateError, MigrateErrorKind};
use crate::sql::SqlError;
use crate::sql::pool::PoolOptions;

/// The advisory lock's number on PostgreSQL, which other programs are unlikely to use.
const LOCK_NUMBER: i64 = 0x7365_7373_6d69_6772;

/// MySQL's lock names are the server's, and at most 64 characters long.
const LOCK_NAME: &str = "CONCAT('session-migrate:', LEFT(SHA2(DATABASE(), 256), 40))";

/// For how long a process waits for another one that applies or reverts steps, in seconds.
const LOCK_TIMEOUT_SECONDS: u32 = 60;

/// Which way the steps go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Down,
    Up,
}

/// A pool of one connection: advisory locks belong to a connection.
pub(crate) struct Runner(DatabaseConnection);

impl Runner {
    /// Connects to the database.
    pub(crate) async fn open(url: &str) -> Result<Self, MigrateError> {
        Ok(Self(PoolOptions::new(1).connect(url).await?))
    }

    /// Applies or reverts the steps while no other process does; returns their names. Where every step
    /// is applied there is nothing to wait for: behind a pooler in transaction mode a lock may stay with
    /// a connection of the server, and hold up each process that starts.
    pub(crate) async fn run(&self, direction: Direction) -> Result<Vec<String>, MigrateError> {
        if direction == Direction::Up && self.steps().await?.iter().all(|step| step.is_applied) {
            return Ok(Vec::new());
        }
        self.lock().await?;
        let done = match direction {
            Direction::Down => self.require_no_move().await,
            Direction::Up => Ok(()),
        };
        let done = match done {
            Ok(()) => self.migrate(direction).await.map_err(MigrateError::from),
            Err(error) => Err(error),
        };
        let released = self.unlock(done.is_ok()).await;
        let names = done?;
        released?;
        Ok(names)
    }

    async fn require_no_move(&self) -> Result<(), MigrateError> {
        match refusal(&SchemaManager::new(&self.0)).await? {
            None => Ok(()),
            Some(why) => Err(MigrateError::because(MigrateErrorKind::Phase, why)),
        }
    }

    async fn migrate(&self, direction: Direction) -> Result<Vec<String>, DbErr> {
        let steps = Migrator::get_migration_with_status(&self.0).await?;
        let due = steps.iter().filter(|step| is_applied(step) == (direction == Direction::Down));
        let names = due.map(|step| step.name().to_owned()).collect();
        match direction {
            Direction::Down => Migrator::down(&self.0, None).await?,
            Direction::Up => Migrator::up(&self.0, None).await?,
        }
        Ok(names)
    }

    /// Returns all steps, and which of them were applied.
    pub(crate) async fn steps(&self) -> Result<Vec<Step>, MigrateError> {
        let steps = Migrator::get_migration_with_status_read_only(&self.0).await?;
        let step = |step: &sea_orm_migration::Migration| Step {
            name: step.name().to_owned(),
            is_applied: is_applied(step),
        };
        Ok(steps.iter().map(step).collect())
    }

    /// Closes the connection.
    pub(crate) async fn close(self) {
        // Everything is done; a failure to close changes nothing.
        let _ = self.0.close().await;
    }

    async fn lock(&self) -> Result<(), MigrateError> {
        let is_ours = match self.0.get_database_backend() {
            DbBackend::Postgres => self.lock_postgres().await,
            DbBackend::MySql => self.lock_mysql().await,
            _ => self.lock_sqlite().await,
        };
        match is_ours.map_err(SqlError::from) {
            Ok(true) => Ok(()),
            Ok(false) => Err(MigrateError::new(MigrateErrorKind::Busy)),
            Err(error) if error.is_contended() => {
                Err(MigrateError::new(MigrateErrorKind::Busy).caused_by(error))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn lock_postgres(&self) -> Result<bool, DbErr> {
        let wait = format!("SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'");
        self.0.execute_unprepared(&wait).await?;
        let lock = format!("SELECT pg_advisory_lock({LOCK_NUMBER})");
        self.0.execute_unprepared(&lock).await?;
        Ok(true)
    }

    async fn lock_mysql(&self) -> Result<bool, DbErr> {
        let lock = format!("SELECT GET_LOCK({LOCK_NAME}, {LOCK_TIMEOUT_SECONDS})");
        let lock = Statement::from_string(DbBackend::MySql, lock);
        let row = self.0.query_one_raw(lock).await?;
        let answer: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
        Ok(answer == Some(1))
    }

    async fn lock_sqlite(&self) -> Result<bool, DbErr> {
        let wait = format!("PRAGMA busy_timeout = {}", LOCK_TIMEOUT_SECONDS * 1000);
        self.0.execute_unprepared(&wait).await?;
        self.0.execute_unprepared("BEGIN IMMEDIATE").await?;
        Ok(true)
    }

    async fn unlock(&self, is_done: bool) -> Result<(), DbErr> {
        let sql = match self.0.get_database_backend() {
            DbBackend::Postgres => format!("SELECT pg_advisory_unlock({LOCK_NUMBER})"),
            DbBackend::MySql => format!("DO RELEASE_LOCK({LOCK_NAME})"),
            _ => if is_done { "COMMIT" } else { "ROLLBACK" }.to_owned(),
        };
        self.0.execute_unprepared(&sql).await.map(drop)
    }
}

fn is_applied(step: &sea_orm_migration::Migration) -> bool {
    step.status() == sea_orm_migration::MigrationStatus::Applied
}

//! A store in SQLite, PostgreSQL, MySQL 8 or MariaDB.
//!
//! The crate `session-migrate` creates the tables. Every statement stands in this folder; nothing
//! outside of it depends on the kind of database.
//!
//! # Requirements
//!
//! - MariaDB 10.6, MySQL 8.0.17, PostgreSQL 12 or SQLite 3.35, or newer.
//! - MySQL's `binlog_format` must be `ROW` or `MIXED`, which is the default of both servers.
//!
//! # How it keeps the laws
//!
//! - Each transaction that writes sets READ COMMITTED itself (`BEGIN IMMEDIATE` on SQLite), so that
//!   the server's default does not matter. A login first writes the lock row of its partition.
//!   Conflicts are repeated after growing pauses.
//! - A lookup is one statement. Connections need not be tested before use: a statement that meets a
//!   dead connection is repeated on another one. A write whose outcome is unknown is looked up
//!   before it is repeated.
//! - No time is read, neither from the database nor from this machine.

mod admit;
mod attempt_error;
mod connect;
mod convert;
mod end;
pub mod entity;
mod error_class;
mod events;
mod key_rotation;
mod lease;
mod lifecycle;
mod lookup;
mod migrated;
mod outbox;
mod retry;
mod row;
mod transaction;
mod update;

use std::sync::Arc;

use sea_orm::{DatabaseConnection, DbBackend};

/// Keeps sessions in SQLite, PostgreSQL, MySQL 8 or MariaDB. Clones share their pool.
///
/// ```no_run
/// use session_core::store::sea_orm::SeaOrmStore;
///
/// # async fn run() -> Result<(), session_core::store::StoreError> {
/// let store = SeaOrmStore::connect("sqlite://sessions.sqlite?mode=rwc").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SeaOrmStore {
    connection: DatabaseConnection,
    backend: DbBackend,
    /// See [`lookup::find_by_digest_sql`].
    find_by_digest_sql: Arc<str>,
}

impl SeaOrmStore {
    /// Creates a store on a pool that is open already.
    ///
    /// Turn off `test_before_acquire` where you open the pool: the store does not need it, and it
    /// costs a round trip at each use. On SQLite use WAL mode, and for a database in memory a pool
    /// of one connection that never closes.
    #[must_use]
    pub fn new(connection: DatabaseConnection) -> Self {
        let backend = connection.get_database_backend();
        Self { connection, backend, find_by_digest_sql: lookup::find_by_digest_sql(backend).into() }
    }

    /// Returns the pool, for what the application keeps in the same database.
    #[must_use]
    pub const fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }
}

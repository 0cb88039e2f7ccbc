//! The store itself: its pool, and what is known of it.

use std::sync::Arc;

#[cfg(feature = "test-util")]
use sea_orm::Statement;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait,
    QueryFilter, QueryTrait,
};

use super::cluster::Cluster;
use super::convert::digest_octets;
use super::entity::session::{self, Column};
#[cfg(feature = "test-util")]
use super::observer::Observer;
use super::pool::Pool;
use crate::session::SecretDigest;

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
    pub(super) pool: Pool,
    pub(super) backend: DbBackend,
    /// See [`find_by_digest_sql()`].
    pub(super) find_by_digest_sql: Arc<str>,
    pub(super) cluster: Cluster,
}

impl SeaOrmStore {
    /// Creates a store on a pool that is open already.
    ///
    /// Turn off `test_before_acquire` where you open the pool: the store does not need it, and it
    /// costs a round trip at each use. On SQLite use WAL mode, and for a database in memory a pool
    /// of one connection that never closes.
    ///
    /// A pool of SQLx 0.9 becomes a connection of SeaORM by `into`:
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sea_orm::sqlx; // the application's own `sqlx` is the same one
    /// use session_core::store::sea_orm::SeaOrmStore;
    ///
    /// let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// let store = SeaOrmStore::new(pool.into());
    /// assert!(store.connection().ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn new(connection: DatabaseConnection) -> Self {
        let backend = connection.get_database_backend();
        let pool = Pool::new(connection);
        let find_by_digest_sql = find_by_digest_sql(backend).into();
        Self { pool, backend, find_by_digest_sql, cluster: Cluster::default() }
    }

    /// Lets each lookup of a session on a Galera cluster wait until its node has what other nodes
    /// have committed; without this, only one that finds no session does.
    ///
    /// An end on one node is then an end on every other within `max_staleness`, however far a node
    /// is behind, at the cost of that wait at each lookup that no cache answers. Other databases
    /// are not affected.
    #[must_use]
    pub fn with_causal_reads(mut self) -> Self {
        self.cluster.is_always_causal = true;
        self
    }

    /// Returns the pool, for what the application keeps in the same database.
    #[must_use]
    pub const fn connection(&self) -> &DatabaseConnection {
        &self.pool.connection
    }

    /// Shows every statement to a test before it is sent. A message of several statements is shown
    /// as one call for each.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn with_observer(mut self, told: impl Fn(&Statement) + Send + Sync + 'static) -> Self {
        self.pool.observer = Observer { told: Some(Arc::new(told)) };
        self
    }

    /// Returns how many connections the pool may hold, all of which may be dead.
    pub(super) fn max_connections(&self) -> u32 {
        pool_size(&self.pool.connection, self.backend)
    }
}

/// The statement that finds a session by its cookie. Built once, since each request that is not
/// cached waits for it.
fn find_by_digest_sql(backend: DbBackend) -> String {
    let any = digest_octets(&SecretDigest::from_bytes([0; 32]));
    let either =
        Condition::any().add(Column::Digest.eq(any.clone())).add(Column::PreviousDigest.eq(any));
    session::Entity::find().filter(either).build(backend).sql
}

/// The size of a pool that cannot be asked for it.
const DEFAULT_POOL_SIZE: u32 = 10;

fn pool_size(connection: &DatabaseConnection, backend: DbBackend) -> u32 {
    match backend {
        _ if connection.is_mock_connection() => DEFAULT_POOL_SIZE,
        #[cfg(feature = "postgres")]
        DbBackend::Postgres => {
            connection.get_postgres_connection_pool().options().get_max_connections()
        }
        #[cfg(feature = "mysql")]
        DbBackend::MySql => connection.get_mysql_connection_pool().options().get_max_connections(),
        #[cfg(feature = "sqlite")]
        DbBackend::Sqlite => {
            connection.get_sqlite_connection_pool().options().get_max_connections()
        }
        _ => DEFAULT_POOL_SIZE,
    }
}

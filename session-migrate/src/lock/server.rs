//! An advisory lock on a connection of its own.

use sea_orm_migration::sea_orm::DatabaseConnection;

use super::acquisition::Acquisition;
use crate::error::MigrateError;
use crate::sql::pool::PoolOptions;
use crate::sql::{Dialect, Query};

/// A number that other programs are unlikely to use; not that of the migration steps, which run
/// while this lock is held.
const NUMBER: i64 = 0x7365_7373_6d6f_7665;

/// MySQL's lock names are the server's, and at most 64 characters long.
const NAME: &str = "CONCAT('session-move:', LEFT(SHA2(DATABASE(), 256), 40))";

/// A connection that has the lock, which ends with it.
#[derive(Debug)]
pub(crate) struct ServerLock {
    connection: DatabaseConnection,
    id: u64,
}

impl ServerLock {
    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) async fn close(self) {
        // The lock ends with the connection, closed cleanly or not.
        let _ = self.connection.close().await;
    }
}

/// Acquires the lock, for which it waits so many seconds: a server may need a moment to notice that
/// the process which had it has died.
pub(super) async fn take(
    url: &str,
    dialect: Dialect,
    patience: u32,
) -> Result<Acquisition<ServerLock>, MigrateError> {
    let connection = PoolOptions::new(1).connect(url).await?;
    if is_acquired(&connection, dialect, patience).await? {
        let id = number(&connection, dialect, dialect.connection_id().unwrap_or_default()).await?;
        return Ok(Acquisition::Acquired(ServerLock { connection, id }));
    }
    let holder = holder(&connection, dialect).await?;
    let _ = connection.close().await;
    Ok(Acquisition::HeldBy(holder.map_or_else(
        || "a process that has ended meanwhile".to_owned(),
        |holder| format!("connection {holder} of the database server"),
    )))
}

async fn is_acquired(
    connection: &DatabaseConnection,
    dialect: Dialect,
    patience: u32,
) -> Result<bool, MigrateError> {
    if dialect != Dialect::Postgres {
        let sql = format!("SELECT CAST(GET_LOCK({NAME}, {patience}) AS SIGNED)");
        return Ok(number(connection, dialect, &sql).await? == 1);
    }
    let attempt = format!("SELECT pg_try_advisory_lock({NUMBER})::int::bigint");
    for _ in 0..patience * 10 {
        if number(connection, dialect, &attempt).await? == 1 {
            return Ok(true);
        }
        number(connection, dialect, "SELECT 1::bigint FROM pg_sleep(0.1)").await?;
    }
    Ok(number(connection, dialect, &attempt).await? == 1)
}

/// Returns the server's id of the connection that has the lock.
pub(super) async fn holder(
    connection: &DatabaseConnection,
    dialect: Dialect,
) -> Result<Option<u64>, MigrateError> {
    let sql = match dialect {
        Dialect::Postgres => format!(
            "SELECT pid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND classid = {} AND objid = {} AND objsubid = 1",
            NUMBER >> 32,
            NUMBER & 0xffff_ffff,
        ),
        _ => format!("SELECT CAST(COALESCE(IS_USED_LOCK({NAME}), 0) AS SIGNED)"),
    };
    Ok(Some(number(connection, dialect, &sql).await?).filter(|number| *number > 0))
}

/// Ends connections of this user to a server, in this order. One that is gone already is no error.
pub(crate) async fn end_connections(
    connection: &DatabaseConnection,
    ids: &[u64],
) -> Result<(), MigrateError> {
    let dialect = Dialect::of(connection.get_database_backend());
    for id in ids {
        let is_there = match dialect {
            Dialect::Postgres => format!(
                "SELECT count(pg_terminate_backend(pid))::bigint FROM pg_stat_activity \
                 WHERE pid = {id} AND usename = current_user"
            ),
            _ => format!(
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {id} \
                 AND USER = SUBSTRING_INDEX(USER(), '@', 1)"
            ),
        };
        if number(connection, dialect, &is_there).await? > 0 && dialect == Dialect::Mysql {
            // It may have ended meanwhile.
            let _ = Query::new(dialect, format!("KILL {id}")).execute(connection).await;
        }
    }
    Ok(())
}

async fn number(
    connection: &DatabaseConnection,
    dialect: Dialect,
    sql: &str,
) -> Result<u64, MigrateError> {
    Query::new(dialect, sql).number(connection).await.map_err(MigrateError::from)
}

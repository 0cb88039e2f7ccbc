//! An advisory lock on a connection of its own.

use sea_orm_migration::sea_orm::{DatabaseConnection, Value};

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
pub(crate) struct ServerLock(DatabaseConnection);

impl ServerLock {
    pub(super) async fn close(self) {
        // The lock ends with the connection, closed cleanly or not.
        let _ = self.0.close().await;
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
        return Ok(Acquisition::Acquired(ServerLock(connection)));
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
async fn holder(
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

/// Ends the connection that has the lock.
pub(super) async fn end_holder(url: &str, dialect: Dialect) -> Result<(), MigrateError> {
    let connection = PoolOptions::new(1).connect(url).await?;
    if let Some(holder) = holder(&connection, dialect).await? {
        let mut query = match dialect {
            Dialect::Postgres => Query::new(dialect, "SELECT pg_terminate_backend("),
            _ => Query::new(dialect, format!("KILL {holder}")),
        };
        if dialect == Dialect::Postgres {
            let holder = query.bind(Value::Int(i32::try_from(holder).ok()));
            query.push(&holder).push(")");
        }
        query.execute(&connection).await?;
    }
    let _ = connection.close().await;
    Ok(())
}

async fn number(
    connection: &DatabaseConnection,
    dialect: Dialect,
    sql: &str,
) -> Result<u64, MigrateError> {
    Query::new(dialect, sql).number(connection).await.map_err(MigrateError::from)
}

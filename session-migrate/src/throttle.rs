//! Measures what holds a move up: the operator's query, the load of the source's server, and the lag
//! of its replicas.

use sea_orm_migration::sea_orm::{DatabaseConnection, QueryResult};

use crate::error::{MigrateError, MigrateErrorKind};
use crate::settings::{MoveSettings, Wait};
use crate::sql::{Dialect, Query, connect_read_only};

/// The statements that run on a server, but for the one that asks.
const POSTGRES_LOAD: &str = "SELECT COUNT(*)::bigint FROM pg_stat_activity \
    WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
const MYSQL_LOAD: &str = "SELECT CAST(VARIABLE_VALUE AS SIGNED) - 1 FROM \
    information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'THREADS_RUNNING'";
/// MySQL has the same table elsewhere.
const MYSQL_8_LOAD: &str = "SELECT CAST(VARIABLE_VALUE AS SIGNED) - 1 FROM \
    performance_schema.global_status WHERE VARIABLE_NAME = 'Threads_running'";

/// How long ago what a replica has replayed was committed, in seconds; nothing on a primary.
const POSTGRES_LAG: &str = "SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() \
    THEN 0 ELSE COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) \
    END::bigint WHERE pg_is_in_recovery()";

/// The replicas whose lag is measured.
#[derive(Debug, Default)]
pub(crate) struct Replicas(Vec<DatabaseConnection>);

impl Replicas {
    /// Connects to the replicas.
    pub(crate) async fn open(urls: &[String]) -> Result<Self, MigrateError> {
        let mut replicas = Vec::new();
        for url in urls {
            replicas.push(connect_read_only(url).await?);
        }
        Ok(Self(replicas))
    }

    /// Returns the highest lag, in seconds.
    async fn lag(&self) -> Result<u64, MigrateError> {
        let mut highest = 0;
        for replica in &self.0 {
            highest = highest.max(lag(replica).await?);
        }
        Ok(highest)
    }
}

/// Requires a replica where its lag is to be limited.
///
/// # Errors
///
/// Returns an error of the kind `Usage` if there is none.
pub(crate) fn require_replica(
    settings: &MoveSettings,
    replicas: &[String],
) -> Result<(), MigrateError> {
    match settings.max_lag.is_some() && replicas.is_empty() {
        true => Err(unusable("max-lag takes the address of a replica: give --replica")),
        false => Ok(()),
    }
}

/// Returns what holds the move up now; `None` if nothing does.
///
/// # Errors
///
/// Returns an error of the kind `Throttled` if the load is critical, and of the kind `Usage` if
/// something cannot be measured.
pub(crate) async fn hold_up(
    settings: &MoveSettings,
    source: &DatabaseConnection,
    replicas: &Replicas,
) -> Result<Option<Wait>, MigrateError> {
    if settings.max_load.is_some() || settings.critical_load.is_some() {
        let load = load(source).await?;
        if let Some(critical) = settings.critical_load.filter(|critical| load > *critical) {
            return Err(MigrateError::because(
                MigrateErrorKind::Throttled,
                format!("the source's server runs {load} statements, more than {critical}"),
            ));
        }
        if settings.max_load.is_some_and(|max| load > max) {
            return Ok(Some(Wait::Load));
        }
    }
    if let Some(query) = &settings.throttle_query
        && query_number(source, query).await? > f64_of(settings.throttle_above.unwrap_or(0))
    {
        return Ok(Some(Wait::Query));
    }
    match settings.max_lag {
        Some(max) if replicas.lag().await? > max => Ok(Some(Wait::ReplicaLag)),
        _ => Ok(None),
    }
}

async fn load(connection: &DatabaseConnection) -> Result<u64, MigrateError> {
    let dialect = Dialect::of(connection.get_database_backend());
    match dialect {
        Dialect::Sqlite => {
            Err(unusable("a SQLite file has no server whose load could be measured"))
        }
        Dialect::Postgres => Ok(Query::new(dialect, POSTGRES_LOAD).number(connection).await?),
        Dialect::Mysql => match Query::new(dialect, MYSQL_LOAD).number(connection).await {
            Ok(load) => Ok(load),
            Err(_) => Ok(Query::new(dialect, MYSQL_8_LOAD).number(connection).await?),
        },
    }
}

async fn lag(replica: &DatabaseConnection) -> Result<u64, MigrateError> {
    let dialect = Dialect::of(replica.get_database_backend());
    let not_one = || unusable("--replica is not the address of a replica that works");
    match dialect {
        Dialect::Sqlite => return Err(not_one()),
        Dialect::Mysql => return mysql_lag(replica).await?.ok_or_else(not_one),
        Dialect::Postgres => {}
    }
    let rows = Query::new(dialect, POSTGRES_LAG).rows(replica).await?;
    let row = rows.first().ok_or_else(not_one)?;
    let seconds = row.try_get_by_index::<Option<i64>>(0)?;
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).ok_or_else(not_one)
}

/// Returns the lag of a replica of the MySQL family; `None` if it is none, or does not work. MySQL 8.4
/// knows the new names alone, and old servers the old ones; MariaDB has both statements, and the old
/// column.
async fn mysql_lag(replica: &DatabaseConnection) -> Result<Option<u64>, MigrateError> {
    let status = |sql: &str| Query::new(Dialect::Mysql, sql).rows(replica);
    let rows = match status("SHOW REPLICA STATUS").await {
        Ok(rows) => rows,
        Err(_) => status("SHOW SLAVE STATUS").await?,
    };
    let Some(row) = rows.first() else { return Ok(None) };
    let seconds = match row.try_get::<Option<i64>>("", "Seconds_Behind_Source") {
        Ok(seconds) => seconds,
        Err(_) => row.try_get::<Option<i64>>("", "Seconds_Behind_Master")?,
    };
    Ok(seconds.and_then(|seconds| u64::try_from(seconds).ok()))
}

async fn query_number(connection: &DatabaseConnection, query: &str) -> Result<f64, MigrateError> {
    let dialect = Dialect::of(connection.get_database_backend());
    let rows = Query::new(dialect, query).rows(connection).await?;
    let Some(row) = rows.first() else { return Ok(0.0) };
    number(row).ok_or_else(|| unusable("the throttle query returns no number"))
}

/// Returns the first column of any type of number; nothing is 0.
fn number(row: &QueryResult) -> Option<f64> {
    if let Ok(number) = row.try_get_by_index::<Option<i64>>(0) {
        return Some(number.map_or(0.0, i64_as_f64));
    }
    if let Ok(number) = row.try_get_by_index::<Option<f64>>(0) {
        return Some(number.unwrap_or(0.0));
    }
    if let Ok(number) = row.try_get_by_index::<Option<i32>>(0) {
        return Some(number.map_or(0.0, f64::from));
    }
    row.try_get_by_index::<String>(0).ok()?.parse().ok()
}

#[allow(clippy::cast_precision_loss, reason = "a limit of more than 2^53 is none")]
const fn i64_as_f64(number: i64) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss, reason = "a limit of more than 2^53 is none")]
const fn f64_of(number: u64) -> f64 {
    number as f64
}

fn unusable(detail: &str) -> MigrateError {
    MigrateError::because(MigrateErrorKind::Usage, detail)
}

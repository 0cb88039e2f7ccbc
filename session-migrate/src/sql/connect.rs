//! A connection that cannot write.

use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Dialect;
use crate::sql::pool::{checked, without_password};

/// For how long a server that does not answer is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens one connection on which the database refuses every write. A SQLite file that is not
/// there is not made.
///
/// # Errors
///
/// [`SourceError`] if the address is none, or the database cannot be reached; never with the
/// address's password.
pub async fn connect_read_only(url: &str) -> Result<DatabaseConnection, SourceError> {
    let address = checked(url).map_err(|_| SourceError::new(SourceErrorKind::Address))?;
    let mut options = ConnectOptions::new(read_only(url));
    options.max_connections(1).min_connections(1).sqlx_logging(false).record_stmt_in_spans(false);
    options.idle_timeout(None).max_lifetime(None).connect_timeout(CONNECT_TIMEOUT);
    let connection = Database::connect(options).await.map_err(|error| {
        SourceError::new(SourceErrorKind::Connection).caused_by(without_password(&error, &address))
    })?;
    let sql = match Dialect::of(connection.get_database_backend()) {
        Dialect::Sqlite => "PRAGMA query_only = ON",
        Dialect::Postgres => "SET default_transaction_read_only = on",
        Dialect::Mysql => "SET SESSION TRANSACTION READ ONLY",
    };
    connection.execute_unprepared(sql).await.map_err(SourceError::statement)?;
    Ok(connection)
}

/// A SQLite address with the mode that neither writes nor creates.
fn read_only(url: &str) -> String {
    if !url.starts_with("sqlite:") || url.contains(":memory:") || url.contains("mode=memory") {
        return url.to_owned();
    }
    let (file, query) = url.split_once('?').unwrap_or((url, ""));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("mode="));
    let query: Vec<&str> = kept.chain(["mode=ro"]).collect();
    format!("{file}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::read_only;

    #[test]
    fn a_sqlite_file_is_never_created() {
        assert_eq!(read_only("sqlite://a.db"), "sqlite://a.db?mode=ro");
        assert_eq!(read_only("sqlite://a.db?mode=rwc&x=1"), "sqlite://a.db?x=1&mode=ro");
        assert_eq!(read_only("postgres://h/d?mode=rwc"), "postgres://h/d?mode=rwc");
        assert_eq!(read_only("sqlite::memory:"), "sqlite::memory:");
    }
}

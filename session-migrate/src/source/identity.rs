//! Which database a source is, so that no other one is taken for it.

use std::fmt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::SourceError;
use crate::sql::{Dialect, Query, SqlError, sqlite_file};

const POSTGRES: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::text, \
    current_database()::text || '/' || COALESCE(current_schema(), '')::text";

/// Each server has one of the first two: MySQL its UUID, and MariaDB a digest of the machine's
/// network address, which containers share, hence the name of the host.
const MYSQL: &str = "SELECT CAST(VARIABLE_VALUE AS CHAR) FROM information_schema.GLOBAL_VARIABLES \
    WHERE VARIABLE_NAME IN ('server_uuid', 'server_uid', 'hostname', 'port') ORDER BY VARIABLE_NAME";

/// MySQL has the same table elsewhere.
const MYSQL_UUID: &str = "SELECT CAST(@@server_uuid AS CHAR)";

const MYSQL_SCHEMA: &str = "SELECT CAST(DATABASE() AS CHAR)";

/// A text that names a database among all others: on PostgreSQL the cluster's identifier, the
/// database and the schema; on MySQL and MariaDB the server's and the schema; for a SQLite file the
/// file itself, which no copy is. Or a name that the operator gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SourceIdentity(String);

impl SourceIdentity {
    /// Creates the identity that the operator gives.
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Reads the identity of a database.
    pub(crate) async fn of(connection: &impl ConnectionTrait) -> Result<Self, SourceError> {
        let dialect = Dialect::of(connection.get_database_backend());
        let text = match dialect {
            Dialect::Sqlite => match sqlite_file(connection).await? {
                Some(path) => file_identity(&path)?,
                None => "memory".to_owned(),
            },
            Dialect::Postgres => texts(connection, dialect, POSTGRES).await?.join("/"),
            Dialect::Mysql => {
                let server = match texts(connection, dialect, MYSQL_UUID).await {
                    Ok(uuid) => uuid,
                    Err(_) => texts(connection, dialect, MYSQL).await?,
                };
                [server, texts(connection, dialect, MYSQL_SCHEMA).await?].concat().join("/")
            }
        };
        Ok(Self(format!("{}:{text}", dialect.name())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns every value of the result.
async fn texts(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    sql: &str,
) -> Result<Vec<String>, SqlError> {
    let rows = Query::new(dialect, sql).rows(connection).await?;
    let values = |row: &QueryResult| -> Result<Vec<String>, DbErr> {
        (0..row.column_names().len()).map(|at| text(dialect, row, at)).collect()
    };
    let rows: Result<Vec<Vec<String>>, DbErr> = rows.iter().map(values).collect();
    Ok(rows?.concat())
}

/// Reads a text, which MySQL's catalog returns as bytes.
fn text(dialect: Dialect, row: &QueryResult, at: usize) -> Result<String, DbErr> {
    match dialect {
        Dialect::Mysql => {
            let bytes: Vec<u8> = row.try_get_by_index(at)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => row.try_get_by_index(at),
    }
}

/// Returns a digest of what tells a file from its copies: its number in the file system, and its
/// time of birth; where that is not kept, its path.
fn file_identity(path: &Path) -> Result<String, SqlError> {
    let failed = |_| SqlError::unexpected("the database's file cannot be looked at");
    let metadata = std::fs::metadata(path).map_err(failed)?;
    let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let origin = match born {
        Some(born) => format!("{}", born.as_nanos()),
        None => std::fs::canonicalize(path).map_err(failed)?.display().to_string(),
    };
    let digest = Sha256::digest(format!("{}\0{origin}", number(&metadata)));
    Ok(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(unix)]
fn number(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;

    metadata.ino()
}

#[cfg(not(unix))]
const fn number(_: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::file_identity;

    #[test]
    fn a_copy_of_a_file_is_another_one() {
        let name = format!("session-migrate-identity-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let copy = path.with_extension("copy");
        std::fs::write(&path, "one").unwrap();
        let first = file_identity(&path).unwrap();
        std::fs::copy(&path, &copy).unwrap();
        std::fs::write(&path, "two").unwrap();
        assert_eq!(first, file_identity(&path).unwrap(), "its content may change");
        assert_ne!(first, file_identity(&copy).unwrap());
        for path in [path, copy] {
            std::fs::remove_file(path).unwrap();
        }
    }
}

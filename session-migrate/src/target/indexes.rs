//! Drops the indexes of an empty `login_session` before loading, and creates them afterwards.
//!
//! An index that is created at the end is written once and in order; one that exists while rows are
//! loaded has pages rewritten for every row. The primary key stays. MySQL and MariaDB keep all
//! indexes: their change buffer has much the same effect.

use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::error::MigrateError;
use crate::migrations;
use crate::sql::{Dialect, Query};

/// Returns whether `login_session` has no rows.
pub(crate) async fn is_empty(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
) -> Result<bool, MigrateError> {
    let query =
        Query::new(dialect, "SELECT COUNT(*) FROM (SELECT 1 FROM login_session LIMIT 1) AS t");
    Ok(query.number(connection).await? == 0)
}

/// Drops the indexes.
pub(crate) async fn drop_indexes(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
) -> Result<(), MigrateError> {
    run(connection, dialect, drop_statements(dialect)).await
}

/// Creates the indexes that do not exist.
pub(crate) async fn create_indexes(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
) -> Result<(), MigrateError> {
    run(connection, dialect, create_statements(dialect)).await
}

async fn run(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
    statements: Vec<String>,
) -> Result<(), MigrateError> {
    for sql in statements {
        Query::new(dialect, sql).execute(connection).await?;
    }
    Ok(())
}

/// Returns the statements of [`drop_indexes`].
pub(crate) fn drop_statements(dialect: Dialect) -> Vec<String> {
    let created = create_statements(dialect);
    let names = created.iter().filter_map(|sql| sql.split(" IF NOT EXISTS ").nth(1));
    let names = names.filter_map(|rest| rest.split_whitespace().next());
    names.map(|name| format!("DROP INDEX IF EXISTS {name}")).collect()
}

/// Returns the statements of [`create_indexes`].
pub(crate) fn create_statements(dialect: Dialect) -> Vec<String> {
    let is_index = |sql: &String| {
        ["CREATE INDEX ", "CREATE UNIQUE INDEX "].iter().any(|word| sql.starts_with(word))
            && sql.contains(" ON login_session (")
    };
    migrations::statements(dialect.backend()).into_iter().filter(is_index).collect()
}

#[cfg(test)]
mod tests {
    use super::{create_statements, drop_statements};
    use crate::sql::Dialect;

    #[test]
    fn every_index_that_is_dropped_is_created_again() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let (created, dropped) = (create_statements(dialect), drop_statements(dialect));
            assert_eq!((created.len(), dropped.len()), (11, 11));
            assert_eq!(dropped.first().unwrap(), "DROP INDEX IF EXISTS login_session_digest");
        }
        assert_eq!(drop_statements(Dialect::Mysql), [""; 0]);
    }
}

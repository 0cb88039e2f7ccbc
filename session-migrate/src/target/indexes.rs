//! An empty table is filled without its indexes: made at the end, each is written once and in
//! order; kept, each row writes a page of every one.
//!
//! The primary key stays. So do all indexes on MySQL and MariaDB, whose change buffer does much the
//! same.

use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::error::MigrateError;
use crate::migrations;
use crate::sql::{Dialect, Query};

/// Whether `login_session` has no rows.
pub(crate) async fn is_empty(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
) -> Result<bool, MigrateError> {
    let query =
        Query::new(dialect, "SELECT COUNT(*) FROM (SELECT 1 FROM login_session LIMIT 1) AS t");
    Ok(query.number(connection).await? == 0)
}

/// Takes the indexes away.
pub(crate) async fn drop_indexes(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
) -> Result<(), MigrateError> {
    run(connection, dialect, dropping(dialect)).await
}

/// Makes the indexes that are not there.
pub(crate) async fn create_indexes(
    connection: &impl ConnectionTrait,
    dialect: Dialect,
) -> Result<(), MigrateError> {
    run(connection, dialect, creating(dialect)).await
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

/// What [`drop_indexes`] says.
pub(crate) fn dropping(dialect: Dialect) -> Vec<String> {
    let created = creating(dialect);
    let names = created.iter().filter_map(|sql| sql.split(" IF NOT EXISTS ").nth(1));
    let names = names.filter_map(|rest| rest.split_whitespace().next());
    names.map(|name| format!("DROP INDEX IF EXISTS {name}")).collect()
}

/// What [`create_indexes`] says.
pub(crate) fn creating(dialect: Dialect) -> Vec<String> {
    let is_index = |sql: &String| {
        ["CREATE INDEX ", "CREATE UNIQUE INDEX "].iter().any(|word| sql.starts_with(word))
            && sql.contains(" ON login_session (")
    };
    migrations::statements(dialect.backend()).into_iter().filter(is_index).collect()
}

#[cfg(test)]
mod tests {
    use super::{creating, dropping};
    use crate::sql::Dialect;

    #[test]
    fn what_is_taken_away_is_made_again() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres] {
            let (made, dropped) = (creating(dialect), dropping(dialect));
            assert_eq!((made.len(), dropped.len()), (9, 9));
            assert_eq!(dropped.first().unwrap(), "DROP INDEX IF EXISTS login_session_digest");
        }
        assert_eq!(dropping(Dialect::Mysql), [""; 0]);
    }
}

//! The second step: the journal of moves, and which move brought a session.

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::script::{Script, drop_tables};

/// Adds `login_session.moved_by`, and creates `session_move` and `session_move_aside`.
///
/// Every statement may be run again: MySQL commits each one, so the step can die half way. Only
/// PostgreSQL and MariaDB can add a column that may be there, so the schema is asked for it first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddMoves;

const SCRIPT: Script = Script {
    sqlite: include_str!("add_moves/sqlite.sql"),
    postgres: include_str!("add_moves/postgres.sql"),
    mysql: include_str!("add_moves/mysql.sql"),
};

const TABLES: [&str; 2] = ["session_move_aside", "session_move"];

const SESSIONS: &str = "login_session";
const MOVED_BY: &str = "moved_by";

impl MigrationName for AddMoves {
    fn name(&self) -> &'static str {
        "m20261125_000001_add_moves"
    }
}

#[async_trait]
impl MigrationTrait for AddMoves {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if !manager.has_column(SESSIONS, MOVED_BY).await? {
            let add = add_column(connection.get_database_backend());
            connection.execute_unprepared(&add).await?;
        }
        SCRIPT.run(connection).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        drop_tables(connection, &TABLES).await?;
        if manager.has_column(SESSIONS, MOVED_BY).await? {
            let drop = format!("ALTER TABLE {SESSIONS} DROP COLUMN {MOVED_BY}");
            connection.execute_unprepared(&drop).await?;
        }
        Ok(())
    }
}

fn add_column(backend: DbBackend) -> String {
    format!("ALTER TABLE {SESSIONS} ADD COLUMN {MOVED_BY} {} NULL", column_type(backend))
}

pub(super) fn statements(backend: DbBackend) -> Vec<String> {
    [vec![add_column(backend)], SCRIPT.shown(backend)].concat()
}

/// How a database keeps the id of a move.
const fn column_type(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "UUID",
        DbBackend::MySql => "BINARY(16)",
        _ => "BLOB",
    }
}

#[cfg(test)]
mod tests {
    use super::{DbBackend, SCRIPT, column_type};

    /// A released step is run nowhere twice: change the tables by a new one.
    #[test]
    fn a_step_never_changes() {
        assert_eq!(
            SCRIPT.sums(),
            [0x74b5_55c5_3722_7b0e, 0xe710_c29f_430f_5aca, 0x7c05_0cad_ce16_8f1b]
        );
        let types = [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql].map(column_type);
        assert_eq!(types, ["BLOB", "UUID", "BINARY(16)"]);
    }

    #[test]
    fn no_statement_can_fail_for_having_run_before() {
        SCRIPT.assert_repeatable();
    }
}

//! The second step: the journal of moves, and the column that names the move of a session.

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::script::{StepScript, drop_tables};

/// Adds `login_session.moved_by`, and creates `session_move` and `session_move_aside`.
///
/// Every statement can be run again, because MySQL commits each one and the step can be interrupted
/// between them. Only PostgreSQL and MariaDB can add a column that may exist already, so the schema
/// is checked for it first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddMoves;

const SCRIPT: StepScript = StepScript {
    sqlite: include_str!("add_moves/sqlite.sql"),
    postgres: include_str!("add_moves/postgres.sql"),
    mysql: include_str!("add_moves/mysql.sql"),
};

const TABLES: [&str; 2] = ["session_move_aside", "session_move"];

const SESSIONS: &str = "login_session";
pub(super) const MOVED_BY: &str = "moved_by";

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

/// Returns the type in which a database stores the id of a move.
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

    /// A released step is never run again: change the tables with a new step.
    #[test]
    fn a_step_never_changes() {
        assert_eq!(
            SCRIPT.checksums(),
            [0x74b5_55c5_3722_7b0e, 0xe710_c29f_430f_5aca, 0x7c05_0cad_ce16_8f1b]
        );
        let types = [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql].map(column_type);
        assert_eq!(types, ["BLOB", "UUID", "BINARY(16)"]);
    }

    #[test]
    fn every_statement_can_be_run_again() {
        SCRIPT.assert_repeatable();
    }
}

//! The second step: the journal of moves, and the column that names the move of a session.

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::script::{StepScript, drop_tables};

/// Adds `moved_by` and `moved_revision` to `login_session`, and creates `session_move` and `session_move_aside`.
///
/// Every statement can be run again, because MySQL commits each one and the step can be interrupted
/// between them. Only PostgreSQL and MariaDB can add a column that may exist already, so the schema
/// is checked for each first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddMoves;

const SCRIPT: StepScript = StepScript {
    sqlite: include_str!("add_moves/sqlite.sql"),
    postgres: include_str!("add_moves/postgres.sql"),
    mysql: include_str!("add_moves/mysql.sql"),
};

const TABLES: [&str; 2] = ["session_move_aside", "session_move"];

const SESSIONS: &str = "login_session";
/// The move of a session, and how often it has written it.
pub(super) const ADDED_COLUMNS: [&str; 2] = ["moved_by", "moved_revision"];

impl MigrationName for AddMoves {
    fn name(&self) -> &'static str {
        "m20261125_000001_add_moves"
    }
}

#[async_trait]
impl MigrationTrait for AddMoves {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for column in ADDED_COLUMNS {
            if !manager.has_column(SESSIONS, column).await? {
                let add = add_column(connection.get_database_backend(), column);
                connection.execute_unprepared(&add).await?;
            }
        }
        SCRIPT.run(connection).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if let Some(refusal) = refusal(manager).await? {
            return Err(DbErr::Migration(refusal.to_owned()));
        }
        drop_tables(connection, &TABLES).await?;
        for column in ADDED_COLUMNS {
            if manager.has_column(SESSIONS, column).await? {
                let drop = format!("ALTER TABLE {SESSIONS} DROP COLUMN {column}");
                connection.execute_unprepared(&drop).await?;
            }
        }
        Ok(())
    }
}

/// Returns why the tables of moves must stay: a move is on record that is not finalized, so that its
/// source may be blocked, and only its rollback knows what to restore.
pub(super) async fn refusal(manager: &SchemaManager<'_>) -> Result<Option<&'static str>, DbErr> {
    if !manager.has_table("session_move").await? {
        return Ok(None);
    }
    let connection = manager.get_connection();
    let backend = connection.get_database_backend();
    let sql = "SELECT COUNT(*) FROM session_move WHERE state <> 'final'";
    let row = connection.query_one_raw(Statement::from_string(backend, sql)).await?;
    let moves: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
    let text = "a move is on record: roll it back with `session-migrate rollback`, or finalize it";
    Ok((moves > 0).then_some(text))
}

fn add_column(backend: DbBackend, column: &str) -> String {
    format!("ALTER TABLE {SESSIONS} ADD COLUMN {column} {} NULL", column_type(backend, column))
}

pub(super) fn statements(backend: DbBackend) -> Vec<String> {
    let added = ADDED_COLUMNS.map(|column| add_column(backend, column));
    [added.into(), SCRIPT.shown(backend)].concat()
}

/// Returns the type in which a database stores the id of a move, or a counter.
fn column_type(backend: DbBackend, column: &str) -> &'static str {
    match backend {
        _ if column != "moved_by" => "BIGINT",
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
            [0x9f2e_f6f2_a289_8663, 0x101b_c400_ab9c_2534, 0xbdf9_c499_d55a_f8de]
        );
        let backends = [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql];
        let types = |column| backends.map(|backend| column_type(backend, column));
        assert_eq!(types("moved_by"), ["BLOB", "UUID", "BINARY(16)"]);
        assert_eq!(types("moved_revision"), ["BIGINT"; 3]);
    }

    #[test]
    fn every_statement_can_be_run_again() {
        SCRIPT.assert_repeatable();
    }
}

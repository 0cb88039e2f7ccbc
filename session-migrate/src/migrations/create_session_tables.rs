//! The first step: the tables of the session store.

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::script::{StepScript, drop_tables};

/// Creates `login_session`, `login_session_event`, `provider_revocation` and `admission_lock`.
///
/// On PostgreSQL the hour of the last use is indexed, not its time, and pages keep some room, so that
/// a touch changes no index and stays on its page (a heap-only tuple).
///
/// Every statement can be run again, because MySQL commits each one and the step can be interrupted
/// between them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CreateSessionTables;

const SCRIPT: StepScript = StepScript {
    sqlite: include_str!("create_session_tables/sqlite.sql"),
    postgres: include_str!("create_session_tables/postgres.sql"),
    mysql: include_str!("create_session_tables/mysql.sql"),
};

const TABLES: [&str; 4] =
    ["login_session", "login_session_event", "provider_revocation", "admission_lock"];

pub(super) fn statements(backend: DbBackend) -> Vec<String> {
    SCRIPT.shown(backend)
}

impl MigrationName for CreateSessionTables {
    fn name(&self) -> &'static str {
        "m20260101_000001_create_session_tables"
    }
}

#[async_trait]
impl MigrationTrait for CreateSessionTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        SCRIPT.run(manager.get_connection()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager.get_connection(), &TABLES).await
    }
}

#[cfg(test)]
mod tests {
    use super::SCRIPT;

    /// A released step is never run again: change the tables with a new step.
    #[test]
    fn a_step_never_changes() {
        assert_eq!(
            SCRIPT.checksums(),
            [0xeb08_2927_8464_52de, 0x10c0_53b5_33a3_0e7a, 0xb018_974e_ec68_4a16]
        );
    }

    #[test]
    fn every_statement_can_be_run_again() {
        SCRIPT.assert_repeatable();
    }
}

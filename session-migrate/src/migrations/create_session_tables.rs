//! The first step: the tables of sessions.

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

use super::script::{Script, drop_tables};

/// Creates `login_session`, `login_session_event`, `provider_revocation` and `admission_lock`.
///
/// Every statement may be run again: MySQL commits each one, so the step can die half way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CreateSessionTables;

const SCRIPT: Script = Script {
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

    /// A released step is run nowhere twice: change the tables by a new one.
    #[test]
    fn a_step_never_changes() {
        assert_eq!(
            SCRIPT.sums(),
            [0x0802_df46_9a89_1309, 0xd38b_032e_deba_c8e1, 0xc8e5_ee16_ef85_c842]
        );
    }

    #[test]
    fn no_statement_can_fail_for_having_run_before() {
        SCRIPT.assert_repeatable();
    }
}

//! The steps. A released one never changes.

use async_trait::async_trait;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// Creates `login_session`, `login_session_event`, `provider_revocation` and `admission_lock`.
///
/// Every statement may be run again: MySQL commits each one, so the step can die half way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CreateSessionTables;

const TABLES: [&str; 4] =
    ["login_session", "login_session_event", "provider_revocation", "admission_lock"];

impl MigrationName for CreateSessionTables {
    fn name(&self) -> &'static str {
        "m20260101_000001_create_session_tables"
    }
}

#[async_trait]
impl MigrationTrait for CreateSessionTables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let sql = match connection.get_database_backend() {
            DbBackend::Postgres => include_str!("postgres.sql").to_owned(),
            DbBackend::MySql => {
                let collation = collation(&version(connection).await?)?;
                include_str!("mysql.sql").replace("{collation}", collation)
            }
            _ => include_str!("sqlite.sql").to_owned(),
        };
        for statement in sql.split(';').map(str::trim).filter(|text| !text.is_empty()) {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            let sql = format!("DROP TABLE IF EXISTS {table}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}

async fn version(connection: &impl ConnectionTrait) -> Result<String, DbErr> {
    let asked = Statement::from_string(DbBackend::MySql, "SELECT VERSION()");
    let row = connection.query_one_raw(asked).await?;
    row.ok_or_else(|| DbErr::Migration("the server has no version".to_owned()))?.try_get_by_index(0)
}

/// The collation that compares byte for byte and does not pad: MySQL's `utf8mb4_bin` takes
/// `ann` and `ann ` for one user.
fn collation(version: &str) -> Result<&'static str, DbErr> {
    let numbers = numbers(version);
    match (version.contains("MariaDB"), numbers) {
        (true, numbers) if numbers >= [10, 6, 0] => Ok("utf8mb4_nopad_bin"),
        (false, numbers) if numbers >= [8, 0, 17] => Ok("utf8mb4_0900_bin"),
        _ => Err(DbErr::Migration(format!(
            "the server must be MySQL 8.0.17, MariaDB 10.6 or newer, and is {version}"
        ))),
    }
}

/// The first three numbers of a version. Old MariaDB drivers are told `5.5.5-` before the real one.
fn numbers(version: &str) -> [u32; 3] {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::collation;

    #[test]
    fn the_collation_fits_the_server() {
        let mariadb = "utf8mb4_nopad_bin";
        for version in ["10.11.6-MariaDB-0+deb12u1", "5.5.5-10.6.16-MariaDB", "12.0.2-MariaDB"] {
            assert_eq!(collation(version).unwrap(), mariadb, "{version}");
        }
        for version in ["8.0.17", "8.4.2-commercial", "9.1.0"] {
            assert_eq!(collation(version).unwrap(), "utf8mb4_0900_bin", "{version}");
        }
        for version in ["5.7.44-log", "8.0.16", "10.5.28-MariaDB", "strange"] {
            assert!(collation(version).is_err(), "{version}");
        }
    }

    /// A released step is run nowhere twice: change the tables by a new one.
    #[test]
    fn a_step_never_changes() {
        let fold = |sum: u64, byte: u8| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
        let sum = |sql: &str| sql.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
        let sqlite = sum(include_str!("sqlite.sql"));
        let postgres = sum(include_str!("postgres.sql"));
        let mysql = sum(include_str!("mysql.sql"));
        assert_eq!(
            [sqlite, postgres, mysql],
            [0x0802_df46_9a89_1309, 0xd38b_032e_deba_c8e1, 0xc8e5_ee16_ef85_c842]
        );
    }

    #[test]
    fn no_statement_can_fail_for_having_run_before() {
        for sql in
            [include_str!("sqlite.sql"), include_str!("postgres.sql"), include_str!("mysql.sql")]
        {
            let statements = sql.split(';').map(str::trim).filter(|text| !text.is_empty());
            for statement in statements {
                assert!(statement.starts_with("CREATE "), "{statement}");
                assert!(statement.contains(" IF NOT EXISTS "), "{statement}");
            }
        }
    }
}

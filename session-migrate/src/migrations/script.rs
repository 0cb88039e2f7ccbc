//! The statements of a step, one script for each kind of database.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// The script of a step for each kind of database. The texts are frozen with the step.
pub(super) struct StepScript {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
    /// `{collation}` stands for the server's byte-wise collation.
    pub(super) mysql: &'static str,
}

impl StepScript {
    /// Returns the statements, to be shown in a plan.
    pub(super) fn shown(&self, backend: DbBackend) -> Vec<String> {
        let sql = match backend {
            DbBackend::Postgres => self.postgres,
            DbBackend::MySql => self.mysql,
            _ => self.sqlite,
        };
        statements(sql).map(str::to_owned).collect()
    }

    /// Runs the statements in order.
    pub(super) async fn run(&self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        let sql = match connection.get_database_backend() {
            DbBackend::Postgres => self.postgres.to_owned(),
            DbBackend::MySql => {
                let collation = server_collation(connection).await?;
                self.mysql.replace("{collation}", collation)
            }
            _ => self.sqlite.to_owned(),
        };
        for statement in statements(&sql) {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}

/// Splits a script into its statements; no literal in one contains a semicolon.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(';').map(str::trim).filter(|text| !text.is_empty())
}

/// Drops tables that may be gone already: reverting a step can be interrupted as well.
pub(super) async fn drop_tables(
    connection: &impl ConnectionTrait,
    tables: &[&str],
) -> Result<(), DbErr> {
    for table in tables {
        connection.execute_unprepared(&format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    Ok(())
}

/// Returns the collation of this server that compares byte for byte and does not pad.
///
/// # Errors
///
/// Returns an error if the server cannot be asked, or is too old to have such a collation.
async fn server_collation(connection: &impl ConnectionTrait) -> Result<&'static str, DbErr> {
    let asked = Statement::from_string(DbBackend::MySql, "SELECT VERSION()");
    let row = connection.query_one_raw(asked).await?;
    let row = row.ok_or_else(|| DbErr::Migration("the server reports no version".to_owned()))?;
    collation(&row.try_get_by_index::<String>(0)?)
}

/// Returns the collation that compares byte for byte and does not pad: MySQL's `utf8mb4_bin` treats
/// `ann` and `ann ` as the same user.
fn collation(version: &str) -> Result<&'static str, DbErr> {
    let numbers = numbers(version);
    match (version.contains("MariaDB"), numbers) {
        (true, numbers) if numbers >= [10, 6, 0] => Ok("utf8mb4_nopad_bin"),
        (false, numbers) if numbers >= [8, 0, 17] => Ok("utf8mb4_0900_bin"),
        _ => Err(DbErr::Migration(format!(
            "the server is {version}: it must be MySQL 8.0.17 or newer, or MariaDB 10.6 or newer"
        ))),
    }
}

/// Returns the first three numbers of a version. MariaDB may put `5.5.5-` before the real one.
fn numbers(version: &str) -> [u32; 3] {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[cfg(test)]
impl StepScript {
    /// Returns a checksum of each script.
    pub(super) fn checksums(&self) -> [u64; 3] {
        let fold = |sum: u64, byte: u8| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
        [self.sqlite, self.postgres, self.mysql]
            .map(|sql| sql.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
    }

    /// Fails the test if a statement would fail when it is run again.
    pub(super) fn assert_repeatable(&self) {
        for statement in [self.sqlite, self.postgres, self.mysql].into_iter().flat_map(statements) {
            assert!(statement.starts_with("CREATE "), "{statement}");
            assert!(statement.contains(" IF NOT EXISTS "), "{statement}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::collation;

    #[test]
    fn the_collation_depends_on_the_server() {
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
}

//! A step's statements, one text for each kind of database.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};

use super::collation;

/// What a step says to each kind of database. Its texts are frozen with the step.
pub(super) struct Script {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
    /// `{collation}` stands for the server's collation of bytes.
    pub(super) mysql: &'static str,
}

impl Script {
    /// The statements, to be shown.
    pub(super) fn shown(&self, backend: DbBackend) -> Vec<String> {
        let sql = match backend {
            DbBackend::Postgres => self.postgres,
            DbBackend::MySql => self.mysql,
            _ => self.sqlite,
        };
        statements(sql).map(str::to_owned).collect()
    }

    /// Runs the statements, one after the other.
    pub(super) async fn run(&self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        let sql = match connection.get_database_backend() {
            DbBackend::Postgres => self.postgres.to_owned(),
            DbBackend::MySql => {
                let collation = collation::of_server(connection).await?;
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

/// The statements of a script; no text in one has a semicolon.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(';').map(str::trim).filter(|text| !text.is_empty())
}

/// Drops tables that may be gone already, for a step back can die half way as well.
pub(super) async fn drop_tables(
    connection: &impl ConnectionTrait,
    tables: &[&str],
) -> Result<(), DbErr> {
    for table in tables {
        connection.execute_unprepared(&format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    Ok(())
}

#[cfg(test)]
impl Script {
    /// A number of each text, that changes with it.
    pub(super) fn sums(&self) -> [u64; 3] {
        let fold = |sum: u64, byte: u8| sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
        [self.sqlite, self.postgres, self.mysql]
            .map(|sql| sql.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
    }

    /// Fails the test if a statement could fail for having run before.
    pub(super) fn assert_repeatable(&self) {
        for statement in [self.sqlite, self.postgres, self.mysql].into_iter().flat_map(statements) {
            assert!(statement.starts_with("CREATE "), "{statement}");
            assert!(statement.contains(" IF NOT EXISTS "), "{statement}");
        }
    }
}

//! What is checked before a move begins: settings of the servers, and rights of their users, with which
//! it would fail half-way.

use sea_orm_migration::sea_orm::{DatabaseConnection, QueryResult};

use super::rights::missing_rights;
use crate::engine::MoveContext;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::exists;
use crate::sql::{Dialect, Query, SqlError};

const SETTINGS: &str = "SELECT CAST(@@log_bin AS SIGNED), CAST(@@binlog_format = 'STATEMENT' AS SIGNED), \
    CAST(@@log_bin_trust_function_creators AS SIGNED)";

/// How a server of the MySQL family writes its binary log.
#[derive(Debug, Clone, Copy)]
struct BinaryLog {
    is_by_statement: bool,
    trusts_creators: bool,
}

/// Checks the servers of both sides, and the rights of their users.
///
/// # Errors
///
/// Returns an error of the kind `Settings` that says what to set or to grant.
pub(super) async fn preflight(context: &MoveContext) -> Result<(), MigrateError> {
    check_binary_logs(context).await?;
    let has_tables = exists(&context.target, context.dialect(), "login_session").await?;
    let missing = missing_rights(context, has_tables).await?;
    match missing.is_empty() {
        true => Ok(()),
        false => Err(MigrateError::because(
            MigrateErrorKind::Settings,
            format!("the user of the database lacks the rights {}", missing.join(", ")),
        )),
    }
}

async fn check_binary_logs(context: &MoveContext) -> Result<(), MigrateError> {
    let sides = [("source", &context.source), ("target", &context.target)];
    for (side, connection) in sides {
        if let Some(log) = binary_log(connection).await? {
            require_rows(side, log)?;
            let has_triggers = side == "source" && context.options.is_online;
            if has_triggers && !log.trusts_creators && !is_super(connection).await? {
                return Err(MigrateError::because(
                    MigrateErrorKind::Settings,
                    "the source's server writes a binary log, and its user may not create triggers: \
                     set log_bin_trust_function_creators=1, or give the user the right SUPER",
                ));
            }
        }
    }
    Ok(())
}

/// Returns an error if the log cannot take a transaction that is READ COMMITTED.
fn require_rows(side: &str, log: BinaryLog) -> Result<(), MigrateError> {
    match log.is_by_statement {
        false => Ok(()),
        true => Err(MigrateError::because(
            MigrateErrorKind::Settings,
            format!(
                "the {side}'s server has binlog_format=STATEMENT: set it to ROW or MIXED, and \
                 connect anew"
            ),
        )),
    }
}

/// Returns how the server writes its log; `None` without one.
async fn binary_log(connection: &DatabaseConnection) -> Result<Option<BinaryLog>, MigrateError> {
    let dialect = Dialect::of(connection.get_database_backend());
    if dialect != Dialect::Mysql {
        return Ok(None);
    }
    let rows = Query::new(dialect, SETTINGS).rows(connection).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let is_set = |at: usize| row.try_get_by_index::<i64>(at).map(|set| set != 0);
    let log = BinaryLog { is_by_statement: is_set(1)?, trusts_creators: is_set(2)? };
    Ok(is_set(0)?.then_some(log))
}

async fn is_super(connection: &DatabaseConnection) -> Result<bool, MigrateError> {
    let rows = Query::new(Dialect::Mysql, "SHOW GRANTS").rows(connection).await?;
    let grant = |row: &QueryResult| row.try_get_by_index::<String>(0).map_err(SqlError::from);
    let grants = rows.iter().map(grant).collect::<Result<Vec<_>, _>>()?;
    Ok(grants.iter().any(|grant| is_of_super(grant)))
}

/// Returns whether a grant, as `SHOW GRANTS` prints it, includes the right.
fn is_of_super(grant: &str) -> bool {
    let (rights, on) = grant.split_once(" ON ").unwrap_or((grant, ""));
    let rights = rights.trim_start_matches("GRANT ");
    on.starts_with("*.*")
        && rights.split(", ").any(|right| matches!(right, "SUPER" | "ALL PRIVILEGES"))
}

#[cfg(test)]
mod tests {
    use super::is_of_super;

    #[test]
    fn the_right_is_found_in_a_grant() {
        assert!(is_of_super("GRANT ALL PRIVILEGES ON *.* TO `a`@`%` IDENTIFIED BY 'x'"));
        assert!(is_of_super("GRANT SELECT, SUPER, EVENT ON *.* TO `a`@`%`"));
        assert!(!is_of_super("GRANT ALL PRIVILEGES ON `super`.* TO `a`@`%`"));
        assert!(!is_of_super("GRANT USAGE ON *.* TO `SUPER`@`%`"));
    }
}

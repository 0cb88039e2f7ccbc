//! What is checked before a move begins, because it would fail half-way: settings of the servers, rights
//! of their users, encodings, and the disk.

use sea_orm_migration::sea_orm::{DatabaseConnection, QueryResult};

use super::disk;
use super::rights::missing_rights;
use crate::engine::MoveContext;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::journal::exists;
use crate::sql::{Dialect, Query, SqlError, other_encoding};

const SETTINGS: &str = "SELECT CAST(@@log_bin AS SIGNED), CAST(@@binlog_format = 'STATEMENT' AS SIGNED), \
    CAST(@@log_bin_trust_function_creators AS SIGNED)";

/// How a server of the MySQL family writes its binary log.
#[derive(Debug, Clone, Copy)]
struct BinaryLog {
    is_by_statement: bool,
    trusts_creators: bool,
}

/// Checks that nothing is known that an apply would fail for.
///
/// # Errors
///
/// Returns an error of the kind `Settings` that says what to set, to grant or to free.
pub(super) async fn preflight(context: &MoveContext) -> Result<(), MigrateError> {
    let found = obstacles(context).await?;
    match found.is_empty() {
        true => Ok(()),
        false => Err(MigrateError::because(MigrateErrorKind::Settings, found.join("; "))),
    }
}

/// Returns what an apply would fail for: settings of the servers, rights of their users, encodings, and
/// the disk.
pub(super) async fn obstacles(context: &MoveContext) -> Result<Vec<String>, MigrateError> {
    let mut found = binary_logs(context).await?;
    let has_tables = exists(&context.target, context.dialect(), "login_session").await?;
    let missing = missing_rights(context, has_tables).await?;
    if !missing.is_empty() {
        found.push(format!("the user of the database lacks the rights {}", missing.join(", ")));
    }
    found.extend(encodings(context).await?);
    found.extend(disk::obstacles(context).await?);
    Ok(found)
}

/// Returns which side cannot hold or return every text: the texts of a source in `SQL_ASCII` have no
/// encoding.
async fn encodings(context: &MoveContext) -> Result<Vec<String>, MigrateError> {
    let source = other_encoding(&context.source).await?.filter(|name| name == "SQL_ASCII");
    let target = other_encoding(&context.target).await?;
    let line = |side: &str, name: String| {
        format!("the {side} stores text as {name}: use a database in UTF-8")
    };
    let source = source.map(|name| line("source", name));
    Ok(source.into_iter().chain(target.map(|name| line("target", name))).collect())
}

async fn binary_logs(context: &MoveContext) -> Result<Vec<String>, MigrateError> {
    let mut found = Vec::new();
    for (side, connection) in [("source", &context.source), ("target", &context.target)] {
        let Some(log) = binary_log(connection).await? else { continue };
        if log.is_by_statement {
            // It cannot take a transaction that is READ COMMITTED.
            found.push(format!(
                "the {side}'s server has binlog_format=STATEMENT: set it to ROW or MIXED, and \
                 connect anew"
            ));
        }
        let has_triggers = side == "source" && context.options.is_online;
        if has_triggers && !log.trusts_creators && !is_super(connection).await? {
            found.push(
                "the source's server writes a binary log, and its user may not create triggers: \
                 set log_bin_trust_function_creators=1, or give the user the right SUPER"
                    .to_owned(),
            );
        }
    }
    Ok(found)
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

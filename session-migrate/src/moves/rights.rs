//! Which rights of the databases' users an apply would miss half-way.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::{DatabaseConnection, QueryResult, Value};

use crate::capture::CaptureOwner;
use crate::engine::{Captures, MoveContext};
use crate::error::MigrateError;
use crate::sql::{Dialect, Query, SqlError};

/// What an apply does in the target beside what it does with rows.
const IN_TARGET: [&str; 4] = ["CREATE", "ALTER", "INDEX", "DROP"];

/// What an online apply does in the source.
const IN_SOURCE: [&str; 3] = ["CREATE", "TRIGGER", "DROP"];

/// Returns what is missing, in the words of the database; nothing on SQLite, which has no users.
pub(super) async fn missing_rights(
    context: &MoveContext,
    has_tables: bool,
) -> Result<Vec<String>, MigrateError> {
    let mut missing = Vec::new();
    if !has_tables {
        missing.extend(in_schema(&context.target, "target", None, &IN_TARGET).await?);
    }
    if !context.options.is_online {
        return Ok(missing);
    }
    for table in &context.tables {
        let base = table.source.bound().slots.base();
        let schema = base.schema.as_deref();
        missing.extend(in_schema(&context.source, "source", schema, &IN_SOURCE).await?);
    }
    missing.dedup();
    if Dialect::of(context.source.get_database_backend()) == Dialect::Postgres {
        missing.extend(not_owned(context).await?);
    }
    Ok(missing)
}

/// Returns which tables of a source on PostgreSQL another role owns: only the owner can set that a
/// trigger always fires, and drop it. The joined tables and the parents get triggers as well.
async fn not_owned(context: &MoveContext) -> Result<Vec<String>, MigrateError> {
    let captures = Captures::of(context, &CaptureOwner::new(context.id))?;
    let tables: BTreeSet<String> =
        captures.iter().flat_map(|(_, capture)| capture.tables()).collect();
    let mut found = Vec::new();
    for table in tables {
        let mut query = Query::new(
            Dialect::Postgres,
            "SELECT COUNT(*) FROM pg_class WHERE pg_has_role(relowner, 'USAGE') AND oid = ",
        );
        let name = query.bind(Value::String(Some(table.clone())));
        query.push(&format!("to_regclass({name})"));
        if query.number(&context.source).await? == 0 {
            found.push(format!("ownership of the source's table {}", table.replace('"', "")));
        }
    }
    Ok(found)
}

/// Returns the rights that are missing in a schema, or in a database of the MySQL family.
async fn in_schema(
    connection: &DatabaseConnection,
    side: &str,
    schema: Option<&str>,
    needed: &[&str],
) -> Result<Vec<String>, MigrateError> {
    match Dialect::of(connection.get_database_backend()) {
        Dialect::Sqlite => Ok(Vec::new()),
        Dialect::Postgres => {
            let mut query = Query::new(Dialect::Postgres, "SELECT has_schema_privilege(COALESCE(");
            let schema = query.bind(Value::String(schema.map(str::to_owned)));
            query.push(&format!("{schema}, current_schema()), 'CREATE')::int::bigint"));
            let is_granted = query.number(connection).await? > 0;
            Ok(if is_granted { Vec::new() } else { vec![format!("CREATE in the {side}'s schema")] })
        }
        Dialect::Mysql => of_mysql(connection, side, needed).await,
    }
}

async fn of_mysql(
    connection: &DatabaseConnection,
    side: &str,
    needed: &[&str],
) -> Result<Vec<String>, MigrateError> {
    let text = |row: &QueryResult| row.try_get_by_index::<String>(0).map_err(SqlError::from);
    let grants = Query::new(Dialect::Mysql, "SHOW GRANTS").rows(connection).await?;
    let grants = grants.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    // What a role grants is not listed.
    if grants.iter().any(|grant| !grant.contains(" ON ")) {
        return Ok(Vec::new());
    }
    let name = Query::new(Dialect::Mysql, "SELECT CAST(DATABASE() AS CHAR)");
    let name = name.rows(connection).await?;
    let name: Vec<u8> = name.first().map_or(Ok(Vec::new()), |row| row.try_get_by_index(0))?;
    let name = String::from_utf8_lossy(&name).into_owned();
    let missing =
        needed.iter().filter(|right| !grants.iter().any(|of| grants_it(of, &name, right)));
    Ok(missing.map(|right| format!("{right} on the {side}'s database")).collect())
}

/// Returns whether a grant, as `SHOW GRANTS` prints it, includes a right on the whole of a database.
fn grants_it(grant: &str, database: &str, right: &str) -> bool {
    let (rights, on) = grant.split_once(" ON ").unwrap_or((grant, ""));
    let on = on.split(" TO ").next().unwrap_or_default();
    let pattern = on.strip_suffix(".*").unwrap_or_default().replace('`', "").replace("\\_", "_");
    let is_here = pattern == "*" || pattern.eq_ignore_ascii_case(database) || pattern.contains('%');
    let rights = rights.trim_start_matches("GRANT ");
    is_here && rights.split(", ").any(|of| of == right || of == "ALL PRIVILEGES")
}

#[cfg(test)]
mod tests {
    use super::grants_it;

    #[test]
    fn a_right_is_found_in_a_grant() {
        let grant = "GRANT SELECT, TRIGGER ON `web\\_ui`.* TO `a`@`%`";
        assert!(grants_it(grant, "web_ui", "TRIGGER"));
        assert!(!grants_it(grant, "web_ui", "CREATE"));
        assert!(!grants_it(grant, "other", "TRIGGER"));
        assert!(grants_it("GRANT ALL PRIVILEGES ON *.* TO `a`@`%`", "web_ui", "CREATE"));
        assert!(!grants_it("GRANT TRIGGER ON `web_ui`.`t` TO `a`@`%`", "web_ui", "TRIGGER"));
        assert!(!grants_it("GRANT USAGE ON *.* TO `a`@`%`", "web_ui", "TRIGGER"));
    }
}

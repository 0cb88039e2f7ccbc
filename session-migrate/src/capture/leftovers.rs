//! What a move has left in a source whose tables were dropped: found by the catalog alone.

use sea_orm_migration::sea_orm::DatabaseConnection;

use super::objects::{self, Object, ObjectKind, PREFIX, TableName};
use super::owner::CaptureOwner;
use super::retry_budget::RetryBudget;
use super::schema_change::{Action, SchemaChange};
use crate::source::SourceError;
use crate::sql::{Dialect, Query, SqlError};

const SQLITE: &str = "SELECT type, '', name, tbl_name FROM sqlite_master \
    WHERE type IN ('table', 'trigger')";

const POSTGRES: &str = "SELECT 'trigger', n.nspname::text, t.tgname::text, c.relname::text \
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal \
    UNION ALL SELECT 'function', n.nspname::text, p.proname::text, '' FROM pg_proc p \
    JOIN pg_namespace n ON n.oid = p.pronamespace \
    UNION ALL SELECT 'table', n.nspname::text, c.relname::text, '' FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'";

const MYSQL: &str = "SELECT CAST('trigger' AS CHAR), CAST('' AS CHAR), \
    CAST(TRIGGER_NAME AS CHAR), CAST(EVENT_OBJECT_TABLE AS CHAR) \
    FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() \
    UNION ALL SELECT CAST('table' AS CHAR), CAST('' AS CHAR), CAST(TABLE_NAME AS CHAR), \
    CAST('' AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()";

/// Drops every trigger, function and table of this owner. None is not an error.
pub(crate) async fn drop_leftovers(
    connection: &DatabaseConnection,
    owner: &CaptureOwner,
    budget: &RetryBudget,
) -> Result<(), SourceError> {
    let found = leftovers(connection, owner).await?;
    let dialect = Dialect::of(connection.get_database_backend());
    let objects = found.iter().collect();
    SchemaChange { dialect, action: Action::Drop, objects }.run(connection, budget).await
}

/// Returns the objects of this owner, triggers first: functions and tables serve them.
async fn leftovers(
    connection: &DatabaseConnection,
    owner: &CaptureOwner,
) -> Result<Vec<Object>, SqlError> {
    let dialect = Dialect::of(connection.get_database_backend());
    let sql = match dialect {
        Dialect::Sqlite => SQLITE,
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
    };
    let beginnings = ["", "change_"].map(|what| format!("{PREFIX}{what}{}_", owner.tag()));
    let mut found = Vec::new();
    for row in Query::new(dialect, sql).rows(connection).await? {
        let text = |at: usize| objects::text(dialect, &row, at);
        let (kind, schema, name, on) = (text(0)?, text(1)?, text(2)?, text(3)?);
        if beginnings.iter().any(|beginning| name.starts_with(beginning)) {
            found.push(dropped(dialect, &kind, schema, name, on));
        }
    }
    found.sort_by_key(|object| std::cmp::Reverse(object.sort));
    Ok(found)
}

fn dropped(dialect: Dialect, kind: &str, schema: String, name: String, on: String) -> Object {
    let schema = Some(schema).filter(|schema| !schema.is_empty());
    let whole = dialect.table(schema.as_deref(), &name);
    let on = TableName { schema: schema.clone(), name: on };
    let (sort, on, drop) = match kind {
        "trigger" => {
            let of = match dialect {
                Dialect::Postgres => format!(" ON {}", on.sql(dialect)),
                _ => String::new(),
            };
            let drop = format!("DROP TRIGGER IF EXISTS {}{of}", dialect.quote(&name));
            (ObjectKind::Trigger, Some(on), drop)
        }
        "function" => (ObjectKind::Function, None, format!("DROP FUNCTION IF EXISTS {whole}")),
        _ => (ObjectKind::Table, None, format!("DROP TABLE IF EXISTS {whole}")),
    };
    Object { sort, name, schema, on, create: String::new(), drop }
}

//! Which of the objects are there.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::object::{Object, Sort};
use crate::sql::{Dialect, Query, SqlError};

const SQLITE: &str = "SELECT type, '', name FROM sqlite_master \
    WHERE type IN ('table', 'trigger') AND name LIKE 'session\\_move\\_%' ESCAPE '\\'";

const POSTGRES: &str = "SELECT 'trigger', n.nspname::text, t.tgname::text FROM pg_trigger t \
    JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE NOT t.tgisinternal AND t.tgname LIKE 'session\\_move\\_%' \
    UNION ALL SELECT 'function', n.nspname::text, p.proname::text FROM pg_proc p \
    JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.proname LIKE 'session\\_move\\_%' \
    UNION ALL SELECT 'table', n.nspname::text, c.relname::text FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND c.relname LIKE 'session\\_move\\_%'";

/// The underscore stands for any character here, which finds nothing that is not looked for.
const MYSQL: &str = "SELECT CAST('trigger' AS CHAR), CAST('' AS CHAR), \
    CAST(TRIGGER_NAME AS CHAR) FROM information_schema.TRIGGERS \
    WHERE TRIGGER_SCHEMA = DATABASE() AND TRIGGER_NAME LIKE 'session_move_%' \
    UNION ALL SELECT CAST('table' AS CHAR), CAST('' AS CHAR), CAST(TABLE_NAME AS CHAR) \
    FROM information_schema.TABLES \
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE 'session_move_%'";

/// What is there of this tool, whichever watch it belongs to.
#[derive(Debug)]
pub(super) struct There(BTreeSet<(Sort, String, String)>);

impl There {
    /// Looks into the catalog; takes no lock on any table.
    pub(super) async fn of(
        dialect: Dialect,
        connection: &impl ConnectionTrait,
    ) -> Result<Self, SqlError> {
        let sql = match dialect {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
            Dialect::Mysql => MYSQL,
        };
        let rows = Query::new(dialect, sql).rows(connection).await?;
        let found: Result<_, DbErr> = rows.iter().map(|row| read(dialect, row)).collect();
        Ok(Self(found?))
    }

    pub(super) fn has(&self, object: &Object) -> bool {
        let schema = object.schema.clone().unwrap_or_default();
        self.0.contains(&(object.sort, schema, object.name.clone()))
    }
}

fn read(dialect: Dialect, row: &QueryResult) -> Result<(Sort, String, String), DbErr> {
    let sort = match text(dialect, row, 0)?.as_str() {
        "trigger" => Sort::Trigger,
        "function" => Sort::Function,
        _ => Sort::Table,
    };
    Ok((sort, text(dialect, row, 1)?, text(dialect, row, 2)?))
}

/// MySQL's catalog gives bytes.
fn text(dialect: Dialect, row: &QueryResult, at: usize) -> Result<String, DbErr> {
    match dialect {
        Dialect::Mysql => {
            let bytes: Vec<u8> = row.try_get_by_index(at)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => row.try_get_by_index(at),
    }
}

//! The foreign keys of other tables that refer to a table.

use sea_orm_migration::sea_orm::{DatabaseConnection, DbErr, QueryResult, Value};

use crate::sql::{Dialect, Query, SqlError, Table};

const SQLITE: &str = "SELECT '', m.name, CAST(f.id AS TEXT), f.\"from\", COALESCE(f.\"to\", ''), \
    f.on_delete FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
    WHERE m.type = 'table' AND lower(f.\"table\") = lower(?) ORDER BY m.name, f.id, f.seq";

/// A partition repeats the key of its table, as another constraint with a parent.
const POSTGRES: &str = "SELECT n.nspname::text, c.relname::text, k.oid::text, a.attname::text, \
    p.attname::text, CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' \
    WHEN 'd' THEN 'SET DEFAULT' ELSE 'RESTRICT' END \
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS pair(child, parent, place) \
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = pair.child \
    JOIN pg_attribute p ON p.attrelid = k.confrelid AND p.attnum = pair.parent \
    WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = to_regclass($1) \
    ORDER BY 1, 2, k.oid, pair.place";

const MYSQL: &str = "SELECT CAST(k.TABLE_SCHEMA AS CHAR), CAST(k.TABLE_NAME AS CHAR), \
    CAST(k.CONSTRAINT_NAME AS CHAR), CAST(k.COLUMN_NAME AS CHAR), \
    CAST(k.REFERENCED_COLUMN_NAME AS CHAR), CAST(r.DELETE_RULE AS CHAR) \
    FROM information_schema.KEY_COLUMN_USAGE k \
    JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA \
    AND r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME \
    WHERE k.REFERENCED_TABLE_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_NAME = ? \
    ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION";

/// A foreign key that refers to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InboundKey {
    /// The schema of the table that has the key; none on SQLite.
    pub(crate) schema: Option<String>,
    /// The table that has the key.
    pub(crate) table: String,
    /// The columns of the key, each with the column that it refers to.
    pub(crate) columns: Vec<(String, String)>,
    /// What becomes of the rows that refer to a deleted row: `CASCADE`, `SET NULL`, ...
    pub(crate) on_delete: String,
    id: String,
}

impl InboundKey {
    /// Returns whether deleting a row deletes or changes the rows that refer to it.
    pub(crate) fn has_effect(&self) -> bool {
        matches!(self.on_delete.as_str(), "CASCADE" | "SET NULL" | "SET DEFAULT")
    }
}

/// Reads the foreign keys that refer to a table.
pub(crate) async fn inbound_keys(
    connection: &DatabaseConnection,
    table: &Table,
) -> Result<Vec<InboundKey>, SqlError> {
    let dialect = Dialect::of(connection.get_database_backend());
    let (sql, name) = match dialect {
        Dialect::Sqlite => (SQLITE, table.name.clone()),
        Dialect::Postgres => (POSTGRES, dialect.table(table.schema.as_deref(), &table.name)),
        Dialect::Mysql => (MYSQL, table.name.clone()),
    };
    let mut query = Query::new(dialect, sql);
    query.bind(Value::String(Some(name)));
    let mut keys: Vec<InboundKey> = Vec::new();
    for row in query.rows(connection).await? {
        add(&mut keys, table, &row)?;
    }
    Ok(keys)
}

/// Adds a column of a key; the rows of one key follow each other.
fn add(keys: &mut Vec<InboundKey>, of: &Table, row: &QueryResult) -> Result<(), DbErr> {
    let (schema, table, id) = (text(row, 0)?, text(row, 1)?, text(row, 2)?);
    let (child, parent) = (text(row, 3)?, text(row, 4)?);
    let schema = Some(schema).filter(|schema| !schema.is_empty());
    let is_same = |key: &InboundKey| (&key.schema, &key.table, &key.id) == (&schema, &table, &id);
    if !keys.last().is_some_and(is_same) {
        let on_delete = text(row, 5)?;
        keys.push(InboundKey { schema, table, columns: Vec::new(), on_delete, id });
    }
    let Some(key) = keys.last_mut() else { return Ok(()) };
    // SQLite leaves out the columns if they are those of the primary key.
    let of_primary = || of.primary_key.get(key.columns.len()).cloned().unwrap_or_default();
    let parent = if parent.is_empty() { of_primary() } else { parent };
    key.columns.push((child, parent));
    Ok(())
}

fn text(row: &QueryResult, at: usize) -> Result<String, DbErr> {
    // MySQL's catalog has binary collations, whose text comes as bytes.
    row.try_get_by_index::<String>(at).or_else(|_| {
        let bytes: Vec<u8> = row.try_get_by_index(at)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })
}

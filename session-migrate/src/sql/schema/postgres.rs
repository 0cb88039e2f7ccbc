//! PostgreSQL's schema, by its catalog.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::{DatabaseConnection, DbErr, QueryResult};

use crate::sql::{Column, ColumnKind, Dialect, Query, SqlError, Table};

/// Of a domain, the base type decides how a value is read.
const COLUMNS: &str = "SELECT n.nspname::text, c.relname::text, (c.relkind IN ('v', 'm'))::int::bigint, \
    a.attname::text, format_type(a.atttypid, a.atttypmod)::text, \
    COALESCE(b.typname, t.typname)::text, (NOT a.attnotnull)::int::bigint, \
    (a.atthasdef OR a.attidentity <> '')::int::bigint \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = NULLIF(t.typbasetype, 0) \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
    AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' \
    AND has_schema_privilege(n.oid, 'USAGE') \
    ORDER BY n.nspname, c.relname, a.attnum";

/// A partial index is unique for some rows only, and an expression has no column.
const UNIQUE: &str = "SELECT n.nspname::text, c.relname::text, i.indexrelid::bigint, \
    i.indisprimary::int::bigint, a.attname::text \
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS k(n) \
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k.n] \
    WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL \
    ORDER BY n.nspname, c.relname, i.indexrelid, k.n";

type Tables = BTreeMap<(String, String), Table>;

pub(super) async fn tables(
    connection: &DatabaseConnection,
) -> Result<(Option<String>, Vec<Table>), SqlError> {
    let mut tables = Tables::new();
    for row in Query::new(Dialect::Postgres, COLUMNS).rows(connection).await? {
        add_column(&mut tables, &row)?;
    }
    let mut last = None;
    for row in Query::new(Dialect::Postgres, UNIQUE).rows(connection).await? {
        add_unique(&mut tables, &row, &mut last)?;
    }
    let current = Query::new(Dialect::Postgres, "SELECT current_schema()::text");
    let rows = current.rows(connection).await?;
    let schema = rows.first().map(|row| row.try_get_by_index::<Option<String>>(0));
    let schema = schema.transpose()?.flatten();
    Ok((schema, tables.into_values().collect()))
}

fn add_column(tables: &mut Tables, row: &QueryResult) -> Result<(), DbErr> {
    let (schema, name): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let (is_view, is_nullable): (i64, i64) = (row.try_get_by_index(2)?, row.try_get_by_index(6)?);
    let base: String = row.try_get_by_index(5)?;
    let table = tables.entry((schema.clone(), name.clone())).or_insert_with(|| Table {
        schema: Some(schema),
        name,
        is_view: is_view != 0,
        columns: Vec::new(),
        primary_key: Vec::new(),
        unique: Vec::new(),
    });
    table.columns.push(Column {
        name: row.try_get_by_index(3)?,
        declared: row.try_get_by_index(4)?,
        kind: ColumnKind::of_postgres(&base),
        is_nullable: is_nullable != 0,
        updates_itself: false,
        has_default: row.try_get_by_index::<i64>(7)? != 0,
    });
    Ok(())
}

fn add_unique(tables: &mut Tables, row: &QueryResult, last: &mut Option<i64>) -> Result<(), DbErr> {
    let (schema, name): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let (index, is_primary): (i64, i64) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
    let column: String = row.try_get_by_index(4)?;
    let Some(table) = tables.get_mut(&(schema, name)) else { return Ok(()) };
    if last.replace(index) != Some(index) {
        table.unique.push(Vec::new());
    }
    if is_primary != 0 {
        table.primary_key.push(column.clone());
    }
    if let Some(columns) = table.unique.last_mut() {
        columns.push(column);
    }
    Ok(())
}

//! SQLite's schema, by its table-valued pragmas.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::{DatabaseConnection, DbErr, QueryResult, Value};

use crate::sql::{Column, ColumnKind, Dialect, Query, SqlError, Table};

const TABLES: &str = "SELECT name, type FROM sqlite_master \
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

const COLUMNS: &str = "SELECT c.name, c.type, c.\"notnull\", c.pk, c.dflt_value IS NOT NULL \
    FROM pragma_table_info(?) c ORDER BY c.cid";

/// A partial index is unique for some rows only, and an expression has no column's name.
const UNIQUE: &str = "SELECT i.name, c.name FROM pragma_index_list(?) i, pragma_index_info(i.name) c \
    WHERE i.\"unique\" = 1 AND i.partial = 0 ORDER BY i.name, c.seqno";

pub(super) async fn tables(connection: &DatabaseConnection) -> Result<Vec<Table>, SqlError> {
    let mut tables = Vec::new();
    for row in Query::new(Dialect::Sqlite, TABLES).rows(connection).await? {
        let name: String = row.try_get_by_index(0)?;
        let kind: String = row.try_get_by_index(1)?;
        let mut table = empty(name, kind == "view");
        // A view of a table that is gone, and a table of a module that is not loaded, have no
        // columns for us; what can be read stays readable.
        let Ok(columns) = about(COLUMNS, &table.name).rows(connection).await else { continue };
        for row in columns {
            add_column(&mut table, &row)?;
        }
        let Ok(indexes) = about(UNIQUE, &table.name).rows(connection).await else { continue };
        table.unique = unique(&indexes)?;
        tables.push(finished(table));
    }
    Ok(tables)
}

fn about(sql: &str, table: &str) -> Query {
    let mut query = Query::new(Dialect::Sqlite, sql);
    query.bind(Value::String(Some(table.to_owned())));
    query
}

fn unique(rows: &[QueryResult]) -> Result<Vec<Vec<String>>, DbErr> {
    let mut indexes: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for row in rows {
        let index = row.try_get_by_index(0)?;
        indexes.entry(index).or_default().push(row.try_get_by_index(1)?);
    }
    Ok(indexes.into_values().filter_map(|columns| columns.into_iter().collect()).collect())
}

const fn empty(name: String, is_view: bool) -> Table {
    Table {
        schema: None,
        name,
        is_view,
        columns: Vec::new(),
        primary_key: Vec::new(),
        unique: Vec::new(),
    }
}

fn add_column(table: &mut Table, row: &QueryResult) -> Result<(), DbErr> {
    let (name, declared): (String, String) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    let (not_null, place): (i64, i64) = (row.try_get_by_index(2)?, row.try_get_by_index(3)?);
    if place > 0 {
        table.primary_key.push(format!("{place:04}{name}"));
    }
    let kind = ColumnKind::of_sqlite(&declared);
    let is_nullable = not_null == 0;
    let has_default = row.try_get_by_index::<i64>(4)? != 0;
    let updates_itself = false;
    table.columns.push(Column { name, declared, kind, is_nullable, updates_itself, has_default });
    Ok(())
}

/// Brings the primary key into its own order. The one column of an `INTEGER PRIMARY KEY` is the
/// row's number: unique, without an index, never null, and counted.
fn finished(mut table: Table) -> Table {
    table.primary_key.sort();
    table.primary_key =
        table.primary_key.iter().filter_map(|name| name.get(4..)).map(str::to_owned).collect();
    if let [only] = table.primary_key.as_slice()
        && let Some(column) = table.columns.iter_mut().find(|column| column.name == *only)
        && column.declared.eq_ignore_ascii_case("integer")
    {
        (column.is_nullable, column.has_default) = (false, true);
    }
    if !table.primary_key.is_empty() && !table.unique.contains(&table.primary_key) {
        table.unique.push(table.primary_key.clone());
    }
    table
}

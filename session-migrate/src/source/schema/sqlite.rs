//! SQLite's schema, by its table-valued pragmas.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::{DatabaseConnection, QueryResult};

use super::{Column, ColumnKind, Table};
use crate::source::dialect::Dialect;
use crate::source::error::SourceError;
use crate::source::query::Query;

const TABLES: &str = "SELECT name, type FROM sqlite_master \
    WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

const COLUMNS: &str = "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk \
    FROM sqlite_master m, pragma_table_info(m.name) c \
    WHERE m.type IN ('table', 'view') ORDER BY m.name, c.cid";

/// A partial index is unique for some rows only, and an expression has no column's name.
const UNIQUE: &str = "SELECT m.name, i.name, c.name \
    FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c \
    WHERE m.type = 'table' AND i.\"unique\" = 1 AND i.partial = 0 ORDER BY m.name, i.name, c.seqno";

pub(super) async fn tables(connection: &DatabaseConnection) -> Result<Vec<Table>, SourceError> {
    let mut tables = BTreeMap::new();
    for row in Query::new(Dialect::Sqlite, TABLES).rows(connection).await? {
        let name: String = row.try_get_by_index(0).map_err(failed)?;
        let kind: String = row.try_get_by_index(1).map_err(failed)?;
        tables.insert(name.clone(), empty(name, kind == "view"));
    }
    for row in Query::new(Dialect::Sqlite, COLUMNS).rows(connection).await? {
        add_column(&mut tables, &row)?;
    }
    let mut indexes: BTreeMap<(String, String), Vec<Option<String>>> = BTreeMap::new();
    for row in Query::new(Dialect::Sqlite, UNIQUE).rows(connection).await? {
        let (table, index): (String, String) =
            (row.try_get_by_index(0).map_err(failed)?, row.try_get_by_index(1).map_err(failed)?);
        let column = row.try_get_by_index(2).map_err(failed)?;
        indexes.entry((table, index)).or_default().push(column);
    }
    for ((table, _), columns) in indexes {
        let columns: Option<Vec<String>> = columns.into_iter().collect();
        if let (Some(table), Some(columns)) = (tables.get_mut(&table), columns) {
            table.unique.push(columns);
        }
    }
    Ok(tables.into_values().map(finished).collect())
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

fn add_column(tables: &mut BTreeMap<String, Table>, row: &QueryResult) -> Result<(), SourceError> {
    let (table, name, declared): (String, String, String) = (
        row.try_get_by_index(0).map_err(failed)?,
        row.try_get_by_index(1).map_err(failed)?,
        row.try_get_by_index(2).map_err(failed)?,
    );
    let not_null: i64 = row.try_get_by_index(3).map_err(failed)?;
    let place: i64 = row.try_get_by_index(4).map_err(failed)?;
    let Some(table) = tables.get_mut(&table) else { return Ok(()) };
    if place > 0 {
        table.primary_key.push(format!("{place:04}{name}"));
    }
    let kind = ColumnKind::of_sqlite(&declared);
    table.columns.push(Column { name, declared, kind, is_nullable: not_null == 0 });
    Ok(())
}

/// Brings the primary key into its own order. The one column of an `INTEGER PRIMARY KEY` is the
/// row's number: unique, without an index, and never null.
fn finished(mut table: Table) -> Table {
    table.primary_key.sort();
    table.primary_key =
        table.primary_key.iter().filter_map(|name| name.get(4..)).map(str::to_owned).collect();
    if let [only] = table.primary_key.as_slice()
        && let Some(column) = table.columns.iter_mut().find(|column| column.name == *only)
        && column.declared.eq_ignore_ascii_case("integer")
    {
        column.is_nullable = false;
    }
    if !table.primary_key.is_empty() && !table.unique.contains(&table.primary_key) {
        table.unique.push(table.primary_key.clone());
    }
    table
}

fn failed(error: sea_orm_migration::sea_orm::DbErr) -> SourceError {
    SourceError::statement(error)
}

//! The schema of MySQL and MariaDB, by `information_schema`.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::{DatabaseConnection, DbErr, QueryResult};

use crate::sql::{Column, ColumnKind, Dialect, Query, SqlError, Table};

/// As text: the catalog's own types differ between MySQL and MariaDB, and between versions.
const COLUMNS: &str = "SELECT CAST(c.TABLE_SCHEMA AS CHAR), CAST(c.TABLE_NAME AS CHAR), \
    CAST(t.TABLE_TYPE AS CHAR), CAST(c.COLUMN_NAME AS CHAR), CAST(c.DATA_TYPE AS CHAR), \
    CAST(c.COLUMN_TYPE AS CHAR), CAST(c.IS_NULLABLE AS CHAR), CAST(COALESCE(c.EXTRA, '') AS CHAR), \
    CAST(c.COLUMN_DEFAULT IS NOT NULL AS SIGNED) \
    FROM information_schema.COLUMNS c JOIN information_schema.TABLES t \
    ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME \
    WHERE c.TABLE_SCHEMA = DATABASE() ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION";

/// A prefix of a column (`SUB_PART`) is unique too, and then so is the column.
const UNIQUE: &str = "SELECT CAST(TABLE_NAME AS CHAR), CAST(INDEX_NAME AS CHAR), \
    CAST(COALESCE(COLUMN_NAME, '') AS CHAR) \
    FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 \
    ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX";

pub(super) async fn tables(
    connection: &DatabaseConnection,
) -> Result<(Option<String>, Vec<Table>), SqlError> {
    let mut tables = BTreeMap::new();
    for row in Query::new(Dialect::Mysql, COLUMNS).rows(connection).await? {
        add_column(&mut tables, &row)?;
    }
    let mut last = None;
    for row in Query::new(Dialect::Mysql, UNIQUE).rows(connection).await? {
        add_unique(&mut tables, &row, &mut last)?;
    }
    let rows =
        Query::new(Dialect::Mysql, "SELECT CAST(DATABASE() AS CHAR)").rows(connection).await?;
    let schema = rows.first().map(|row| text(row, 0)).transpose();
    Ok((schema?, tables.into_values().collect()))
}

fn text(row: &QueryResult, at: usize) -> Result<String, DbErr> {
    let bytes: Vec<u8> = row.try_get_by_index(at)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn add_column(tables: &mut BTreeMap<String, Table>, row: &QueryResult) -> Result<(), DbErr> {
    let (schema, name) = (text(row, 0)?, text(row, 1)?);
    let is_view = text(row, 2)?.contains("VIEW");
    let (data_type, declared) = (text(row, 4)?, text(row, 5)?);
    let table = tables.entry(name.clone()).or_insert_with(|| Table {
        schema: Some(schema),
        name,
        is_view,
        columns: Vec::new(),
        primary_key: Vec::new(),
        unique: Vec::new(),
    });
    let extra = text(row, 7)?.to_ascii_lowercase();
    let is_counted = extra.contains("auto_increment") || extra.contains("generated");
    table.columns.push(Column {
        name: text(row, 3)?,
        kind: ColumnKind::of_mysql(&data_type, &declared),
        declared,
        is_nullable: text(row, 6)? == "YES",
        updates_itself: extra.contains("on update"),
        has_default: is_counted || row.try_get_by_index::<i64>(8)? != 0,
    });
    Ok(())
}

fn add_unique(
    tables: &mut BTreeMap<String, Table>,
    row: &QueryResult,
    last: &mut Option<(String, String)>,
) -> Result<(), DbErr> {
    let (name, index, column) = (text(row, 0)?, text(row, 1)?, text(row, 2)?);
    let Some(table) = tables.get_mut(&name) else { return Ok(()) };
    if index == "PRIMARY" {
        table.primary_key.push(column.clone());
    }
    let this = Some((name, index));
    if *last != this {
        table.unique.push(Vec::new());
        *last = this;
    }
    if let Some(columns) = table.unique.last_mut() {
        columns.push(column);
    }
    Ok(())
}

//! The parts of statements that come from a mapping.

use sea_orm_migration::sea_orm::Value;

use super::slots::{BASE, column_of, find, schema_mismatch};
use super::{Slot, Slots};
use crate::source::SourceError;
use crate::source::mapping::{Filter, FilterValue, Mapping, Parent, Test};
use crate::sql::{ColumnKind, Dialect, Query, Schema, Table};

/// Returns `FROM` with its joins. A join's column must be unique, or a token set would become two
/// rows.
pub(super) fn from(
    mapping: &Mapping,
    table: &Table,
    schema: &Schema,
    dialect: Dialect,
    slots: &mut Slots,
) -> Result<String, SourceError> {
    let name = |table: &Table| dialect.table(table.schema.as_deref(), &table.name);
    let mut sql = format!("{} AS {}", name(table), dialect.quote(BASE));
    for join in &mapping.join {
        let place = format!("join {:?}", join.name);
        let joined = find(schema, join.schema.as_deref(), &join.table, &place)?;
        column_of(joined, &join.column)?;
        if !joined.unique.contains(&vec![join.column.clone()]) {
            return Err(schema_mismatch(format!(
                "{place}: the column {:?} is not unique, so a row could become two",
                join.column
            )));
        }
        let on = slots.place(&join.on)?;
        let on = slots.slot(on).map_or("", |slot| slot.sql.as_str());
        let alias = dialect.quote(&join.name);
        let column = dialect.quote(&join.column);
        sql.push_str(&format!(" LEFT JOIN {} AS {alias} ON {alias}.{column} = {on}", name(joined)));
    }
    Ok(sql)
}

/// Returns the condition that a parent row is missing.
pub(super) fn orphan(
    mapping: &Mapping,
    schema: &Schema,
    dialect: Dialect,
    slots: &mut Slots,
) -> Result<Option<String>, SourceError> {
    let mut tests = Vec::new();
    for parent in &mapping.parent {
        tests.push(missing(parent, mapping, schema, dialect, slots)?);
    }
    Ok((!tests.is_empty()).then(|| tests.join(" OR ")))
}

fn missing(
    parent: &Parent,
    mapping: &Mapping,
    schema: &Schema,
    dialect: Dialect,
    slots: &mut Slots,
) -> Result<String, SourceError> {
    let table = find(schema, parent.schema.as_deref(), &parent.table, "parent")?;
    let column = column_of(table, &parent.column)?;
    let child = slots.place(parent.child.as_ref().unwrap_or(&mapping.user))?;
    let Some(child) = slots.slot(child) else { return Ok("1 = 0".to_owned()) };
    let sql = format!("{}.{}", dialect.quote("parent_row"), dialect.quote(&parent.column));
    // The same types are compared like the foreign key, by its index; others as text.
    let is_same = column.kind == child.column.kind;
    let test = if is_same {
        format!("{sql} = {}", child.sql)
    } else {
        let text = |sql: &str| match dialect {
            Dialect::Mysql => format!("CAST(CAST({sql} AS CHAR) AS BINARY)"),
            _ => format!("CAST({sql} AS text)"),
        };
        format!("{} = {}", text(&sql), text(&child.sql))
    };
    let table = dialect.table(table.schema.as_deref(), &table.name);
    Ok(format!(
        "NOT EXISTS (SELECT 1 FROM {table} AS {} WHERE {test})",
        dialect.quote("parent_row")
    ))
}

/// Refuses a filter that compares its column with values that the column cannot hold.
pub(super) fn check_filter(filter: &Filter, slot: Option<&Slot>) -> Result<(), SourceError> {
    let is_number = slot.is_some_and(|slot| {
        matches!(slot.column.kind, ColumnKind::Integer | ColumnKind::Boolean | ColumnKind::Real)
    });
    let is_text = |value: &FilterValue| matches!(value, FilterValue::Text(_));
    if is_number && filter.value.iter().chain(&filter.values).any(is_text) {
        let column = &filter.column;
        return Err(schema_mismatch(format!(
            "the filter compares the numbers of {column:?} with text"
        )));
    }
    Ok(())
}

/// Appends the condition of a filter; `NULL` is not equal to any value.
pub(super) fn push_filter(query: &mut Query, filter: &Filter, slot: &Slot, dialect: Dialect) {
    let kind = slot.column.kind;
    let sql = match (dialect, kind) {
        (Dialect::Postgres, ColumnKind::Boolean) => format!("{}::int", slot.sql),
        (Dialect::Mysql, ColumnKind::Boolean) => slot.sql.clone(),
        _ => dialect.binary(&slot.sql, kind),
    };
    let values = filter.value.iter().chain(&filter.values);
    let placeholders: Vec<String> = values
        .map(|value| {
            let placeholder = query.bind(parameter(value, kind, dialect));
            match kind {
                ColumnKind::Boolean => placeholder,
                _ => dialect.binary_parameter(&placeholder, kind),
            }
        })
        .collect();
    let list = placeholders.join(", ");
    query.push(&match filter.is {
        Test::Equal | Test::OneOf => format!("({sql} IN ({list}))"),
        Test::NotEqual | Test::NoneOf => {
            format!("({sql} NOT IN ({list}) OR {} IS NULL)", slot.sql)
        }
        Test::Null => format!("({} IS NULL)", slot.sql),
        Test::NotNull => format!("({} IS NOT NULL)", slot.sql),
    });
}

fn parameter(value: &FilterValue, kind: ColumnKind, dialect: Dialect) -> Value {
    let is_number = matches!(kind, ColumnKind::Integer | ColumnKind::Boolean | ColumnKind::Real);
    match value {
        FilterValue::Boolean(truth) if is_number || dialect == Dialect::Sqlite => {
            Value::BigInt(Some(i64::from(*truth)))
        }
        FilterValue::Integer(number) if is_number || dialect == Dialect::Sqlite => {
            Value::BigInt(Some(*number))
        }
        FilterValue::Boolean(truth) => Value::String(Some(truth.to_string())),
        FilterValue::Integer(number) => Value::String(Some(number.to_string())),
        FilterValue::Text(text) => Value::String(Some(text.clone())),
    }
}

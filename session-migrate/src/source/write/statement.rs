//! The statements that change, remove or add one row.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::Value;

use crate::source::SourceError;
use crate::source::bind::{BASE, Bound, ProviderSlot, Slot};
use crate::sql::{Cell, ColumnKind, Dialect, Query};

/// The end of MySQL's times as they are read here, which MariaDB does not parse.
const UTC: &str = "+00";

/// Sets the cells if the row is still what was read.
pub(super) fn update(
    bound: &Bound,
    stored: &[&Cell],
    changes: &[(usize, Cell)],
) -> Result<Query, SourceError> {
    let mut query = Query::new(bound.dialect, "UPDATE ");
    query.push(&from(bound)).push(" SET ");
    let mut between = "";
    for (at, cell) in changes {
        let slot = bound.slot(*at)?;
        let value = assigned(&mut query, slot, cell, bound.dialect);
        let column = bound.dialect.quote(&slot.column.name);
        query.push(&format!("{between}{column} = {value}"));
        between = ", ";
    }
    for column in untouched(bound, changes)? {
        query.push(&format!(", {column} = {column}"));
    }
    push_same(&mut query, bound, stored, &held(bound))?;
    Ok(query)
}

/// Deletes the row if it is still what was read.
pub(super) fn delete(bound: &Bound, stored: &[&Cell]) -> Result<Query, SourceError> {
    // An alias is for the statement of several tables only, on MariaDB.
    let of = match bound.dialect {
        Dialect::Mysql => format!("DELETE {} FROM ", bound.dialect.quote(BASE)),
        _ => "DELETE FROM ".to_owned(),
    };
    let mut query = Query::new(bound.dialect, of);
    query.push(&from(bound));
    push_same(&mut query, bound, stored, &held(bound))?;
    Ok(query)
}

/// Inserts a row with these cells; empty ones are left to the database.
pub(super) fn insert(bound: &Bound, cells: &[(usize, Cell)]) -> Result<Query, SourceError> {
    let (dialect, table) = (bound.dialect, bound.slots.base());
    let mut query = Query::new(dialect, "INSERT INTO ");
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for (at, cell) in cells.iter().filter(|(_, cell)| !cell.is_empty()) {
        let slot = bound.slot(*at)?;
        if slot.join.is_none() {
            columns.push(dialect.quote(&slot.column.name));
            values.push(assigned(&mut query, slot, cell, dialect));
        }
    }
    query.push(&dialect.table(table.schema.as_deref(), &table.name));
    query.push(&format!(" ({}) VALUES ({})", columns.join(", "), values.join(", ")));
    Ok(query)
}

/// Counts the rows with the key's cells, and with these cells in these columns.
pub(super) fn count(
    bound: &Bound,
    cells: &[&Cell],
    places: &BTreeSet<usize>,
) -> Result<Query, SourceError> {
    let number = if bound.dialect == Dialect::Postgres { "::bigint" } else { "" };
    let mut query = Query::new(bound.dialect, format!("SELECT COUNT(*){number} FROM "));
    query.push(&from(bound));
    push_same(&mut query, bound, cells, places)?;
    Ok(query)
}

fn from(bound: &Bound) -> String {
    let (dialect, table) = (bound.dialect, bound.slots.base());
    format!("{} AS {}", dialect.table(table.schema.as_deref(), &table.name), dialect.quote(BASE))
}

/// Returns the columns that the update would change implicitly; they are set to their values.
fn untouched(bound: &Bound, changes: &[(usize, Cell)]) -> Result<Vec<String>, SourceError> {
    let changed = changes.iter().map(|(at, _)| Ok(bound.slot(*at)?.column.name.as_str()));
    let changed: BTreeSet<&str> = changed.collect::<Result<_, SourceError>>()?;
    let columns = bound.slots.base().columns.iter();
    let untouched =
        columns.filter(|column| column.updates_itself && !changed.contains(column.name.as_str()));
    Ok(untouched.map(|column| bound.dialect.quote(&column.name)).collect())
}

/// Appends ` WHERE` the row has this key, and these columns hold these cells.
fn push_same(
    query: &mut Query,
    bound: &Bound,
    cells: &[&Cell],
    places: &BTreeSet<usize>,
) -> Result<(), SourceError> {
    query.push(" WHERE 1 = 1");
    for at in &bound.key {
        if let Some(cell) = cells.get(*at) {
            push_indexed(query, bound.slot(*at)?, cell, bound.dialect);
        }
    }
    for at in bound.key.iter().copied().chain(places.iter().copied()) {
        let slot = bound.slot(at)?;
        if let Some(cell) = cells.get(at).filter(|_| slot.join.is_none()) {
            let test = same(query, slot, cell, bound.dialect);
            query.push(" AND ").push(&test);
        }
    }
    Ok(())
}

/// Returns the columns that hold the owner, the tokens and their expiry. The time of the last
/// renewal is not among them: where one row has the tokens of several providers, they share it.
pub(super) fn held(bound: &Bound) -> BTreeSet<usize> {
    let tokens = &bound.tokens;
    let parts = [&tokens.response, &tokens.access, &tokens.refresh, &tokens.id, &tokens.token_type];
    let parts = parts.into_iter().flatten().map(|slot| slot.at);
    let provider = match &bound.provider {
        ProviderSlot::Column(at) => Some(*at),
        ProviderSlot::Constant(_) => None,
    };
    let names = [Some(bound.user), provider, bound.account, tokens.scope.as_ref().map(|it| it.at)];
    let expires = bound.expires.iter().map(|slot| slot.at);
    parts
        .chain(names.into_iter().flatten())
        .chain(expires)
        .filter(|at| !bound.key.contains(at))
        .collect()
}

/// Appends a comparison that uses an index; [`same`] then compares every byte.
fn push_indexed(query: &mut Query, slot: &Slot, cell: &Cell, dialect: Dialect) {
    let is_native = match slot.column.kind {
        ColumnKind::Integer | ColumnKind::Text | ColumnKind::Bytes | ColumnKind::Uuid => true,
        // Times and truth values are read in another form than they are compared in.
        _ => dialect == Dialect::Sqlite,
    };
    if !is_native || matches!(cell, Cell::Null | Cell::MalformedText(_)) {
        return;
    }
    let placeholder = query.bind(value(cell));
    let placeholder = dialect.typed(&placeholder, &slot.column);
    query.push(&format!(" AND {} = {placeholder}", slot.sql));
}

/// Returns the condition that a column holds exactly this cell, with its storage class.
fn same(query: &mut Query, slot: &Slot, cell: &Cell, dialect: Dialect) -> String {
    let sql = &slot.sql;
    if cell.is_null() {
        return format!("{sql} IS NULL");
    }
    match dialect {
        Dialect::Sqlite => {
            let class = cell.class();
            let (sql, value) = match cell {
                // As bytes: the driver rejects some texts, and a text would end at its first zero
                // byte.
                Cell::Text(text) => (format!("CAST({sql} AS BLOB)"), bytes(text.as_bytes())),
                Cell::MalformedText(text) => (format!("CAST({sql} AS BLOB)"), bytes(text)),
                _ => (sql.clone(), value(cell)),
            };
            let placeholder = query.bind(value);
            format!("(typeof({}) = '{class}' AND {sql} = {placeholder})", slot.sql)
        }
        Dialect::Postgres => {
            let read = dialect.fetch(sql, slot.column.kind);
            let collation = if matches!(cell, Cell::Text(_)) { " COLLATE \"C\"" } else { "" };
            let placeholder = query.bind(value(cell));
            format!("({read}){collation} = {placeholder}")
        }
        Dialect::Mysql => {
            let placeholder = query.bind(value(cell));
            match cell {
                Cell::Text(_) | Cell::MalformedText(_) => {
                    let read = dialect.fetch(sql, slot.column.kind);
                    format!("CAST({read} AS BINARY) = CAST({placeholder} AS BINARY)")
                }
                // As it was read: a `float` has fewer digits than it compares with.
                Cell::Real(_) => format!("(CAST({sql} AS CHAR) + 0e0) = {placeholder}"),
                _ => format!("{sql} = {placeholder}"),
            }
        }
    }
}

/// Returns the expression that assigns this cell to a column, in its class.
fn assigned(query: &mut Query, slot: &Slot, cell: &Cell, dialect: Dialect) -> String {
    match (dialect, cell) {
        (_, Cell::Null) => "NULL".to_owned(),
        (Dialect::Sqlite, Cell::MalformedText(_)) => {
            format!("CAST({} AS TEXT)", query.bind(value(cell)))
        }
        // The session is in UTC, as it was for reading.
        (Dialect::Mysql, Cell::Text(text)) if slot.column.kind == ColumnKind::ZonedTime => {
            let text = text.strip_suffix(UTC).unwrap_or(text);
            query.bind(Value::String(Some(text.to_owned())))
        }
        _ => {
            let placeholder = query.bind(value(cell));
            dialect.typed(&placeholder, &slot.column)
        }
    }
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(Some(bytes.to_vec()))
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::String(None),
        Cell::Integer(number) => Value::BigInt(Some(*number)),
        Cell::Real(number) => Value::Double(Some(*number)),
        Cell::Text(text) => Value::String(Some(text.clone())),
        Cell::Bytes(content) | Cell::MalformedText(content) => bytes(content),
    }
}

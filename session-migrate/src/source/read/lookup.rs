//! Looking up rows by their values, in their current state.
//!
//! The database selects with the columns' own comparison, so that an index is used. This may fold
//! case or ignore padding, but finds everything that is equal byte for byte; the rest is dropped
//! here.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm_migration::sea_orm::{ConnectionTrait, Value};

use super::{decode, page};
use crate::source::SourceError;
use crate::source::bind::{Bound, ProviderSlot, Slot};
use crate::source::row::{SourceKey, SourceRow};
use crate::sql::{Cell, ColumnKind, Dialect, Query};

/// How many conditions one statement has at most: far below every limit of placeholders, and of the
/// thousand nested expressions of SQLite.
const MAX_TESTS: usize = 100;

/// A user's id and a provider's name.
type Partition = (String, Option<String>);

/// Reads the rows with these keys.
pub(super) async fn by_keys(
    bound: &Bound,
    connection: &impl ConnectionTrait,
    keys: &[Vec<Cell>],
) -> Result<Vec<SourceRow>, SourceError> {
    let canonical = |key: &Vec<Cell>| SourceKey::new(key.clone()).canonical();
    let asked: BTreeMap<_, _> = keys.iter().map(|key| (canonical(key), key)).collect();
    let test = |query: &mut Query, key: &&Vec<Cell>| {
        let cells = bound.key.iter().zip(key.iter());
        let tests = cells.map(|(at, cell)| Ok(equal(query, bound.slot(*at)?, cell, bound.dialect)));
        Ok(Some(tests.collect::<Result<Vec<_>, SourceError>>()?.join(" AND ")))
    };
    let keys: Vec<&Vec<Cell>> = asked.values().copied().collect();
    let mut rows = rows(bound, connection, &keys, test).await?;
    rows.retain(|row| asked.contains_key(&row.key.canonical()));
    Ok(rows)
}

/// Reads the rows in which this slot refers to one of the values.
pub(super) async fn related(
    bound: &Bound,
    connection: &impl ConnectionTrait,
    at: usize,
    values: &[Cell],
) -> Result<Vec<SourceRow>, SourceError> {
    let slot = bound.slot(at)?;
    let mut referred = bound.relations.iter().filter(|relation| relation.child == at);
    let is_same = referred.all(|relation| relation.column.kind == slot.column.kind);
    let test = |query: &mut Query, value: &Cell| {
        if value.is_null() {
            return Ok(None);
        }
        if is_same {
            return Ok(Some(equal(query, slot, value, bound.dialect)));
        }
        let Some(text) = value.as_text() else { return Ok(None) };
        Ok(Some(equal_as_text(query, slot, &text, bound.dialect)))
    };
    rows(bound, connection, values, test).await
}

/// Reads the rows of these partitions.
pub(super) async fn of_partitions(
    bound: &Bound,
    connection: &impl ConnectionTrait,
    partitions: &[Partition],
) -> Result<Vec<SourceRow>, SourceError> {
    let asked: BTreeSet<Partition> = partitions.iter().cloned().collect();
    let test = |query: &mut Query, (user, provider): &Partition| {
        let user = Name::of(bound.slot(bound.user)?, user, bound.dialect);
        let provider = match (&bound.provider, provider) {
            (ProviderSlot::Constant(known), Some(asked)) if known == asked => {
                return Ok(user.map(|user| user.test(query)));
            }
            (ProviderSlot::Constant(_), _) => return Ok(None),
            (ProviderSlot::Column(at), None) => {
                let is_null = format!("{} IS NULL", bound.slot(*at)?.sql);
                return Ok(user.map(|user| format!("{} AND {is_null}", user.test(query))));
            }
            (ProviderSlot::Column(at), Some(name)) => {
                Name::of(bound.slot(*at)?, name, bound.dialect)
            }
        };
        let both = user.zip(provider);
        Ok(both
            .map(|(user, provider)| format!("{} AND {}", user.test(query), provider.test(query))))
    };
    let partitions: Vec<Partition> = asked.iter().cloned().collect();
    let mut rows = rows(bound, connection, &partitions, test).await?;
    rows.retain(|row| {
        let partition = row.user.clone().map(|user| (user, row.provider.clone()));
        partition.is_some_and(|partition| asked.contains(&partition))
    });
    Ok(rows)
}

/// Reads the rows that pass the filter and any of the tests, each once.
async fn rows<T>(
    bound: &Bound,
    connection: &impl ConnectionTrait,
    asked: &[T],
    test: impl Fn(&mut Query, &T) -> Result<Option<String>, SourceError>,
) -> Result<Vec<SourceRow>, SourceError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for some in asked.chunks(MAX_TESTS) {
        let mut query = page::select(bound, "");
        query.push(" FROM ").push(&bound.from);
        bound.push_filter(&mut query);
        let mut tests = Vec::with_capacity(some.len());
        for one in some {
            tests.extend(test(&mut query, one)?.map(|test| format!("({test})")));
        }
        if tests.is_empty() {
            continue;
        }
        query.push(&format!(" AND ({})", tests.join(" OR ")));
        for row in query.rows(connection).await? {
            let (cells, is_orphan, _) = page::cells(bound, &row)?;
            let row = decode::row(bound, cells, is_orphan);
            if seen.insert(row.key.canonical()) {
                found.push(row);
            }
        }
    }
    Ok(found)
}

/// Compares with a value that was read from a column of the same kind.
fn equal(query: &mut Query, slot: &Slot, cell: &Cell, dialect: Dialect) -> String {
    if cell.is_null() {
        return format!("{} IS NULL", slot.sql);
    }
    let placeholder = query.bind_cell(cell);
    format!("{} = {}", slot.sql, dialect.typed(&placeholder, &slot.column))
}

/// Compares with the text of a value of another kind, as the test for orphans does.
fn equal_as_text(query: &mut Query, slot: &Slot, text: &str, dialect: Dialect) -> String {
    let placeholder = query.bind(Value::String(Some(text.to_owned())));
    let sql = &slot.sql;
    match dialect {
        _ if slot.column.kind == ColumnKind::Text => format!("{sql} = {placeholder}"),
        Dialect::Mysql => {
            format!("CAST(CAST({sql} AS CHAR) AS BINARY) = CAST({placeholder} AS BINARY)")
        }
        _ => format!("CAST({sql} AS text) = {placeholder}"),
    }
}

/// A user's or a provider's name, which is the text of a value of this slot.
struct Name<'a> {
    slot: &'a Slot,
    name: &'a str,
    value: Cell,
    dialect: Dialect,
}

impl<'a> Name<'a> {
    /// Returns `None` if no value of the column has this text.
    fn of(slot: &'a Slot, name: &'a str, dialect: Dialect) -> Option<Self> {
        let text = || Cell::Text(name.to_owned());
        let value = match slot.column.kind {
            _ if dialect == Dialect::Sqlite => text(),
            ColumnKind::Integer | ColumnKind::Boolean => integer(name, dialect)?,
            ColumnKind::Real => Cell::Real(name.parse().ok()?),
            ColumnKind::Bytes => Cell::Bytes(name.as_bytes().to_vec()),
            ColumnKind::Uuid if !is_uuid(name) => return None,
            _ => text(),
        };
        Some(Self { slot, name, value, dialect })
    }

    fn test(&self, query: &mut Query) -> String {
        let Self { slot, value, dialect, .. } = self;
        let kind = slot.column.kind;
        let exact = |query: &mut Query| {
            let placeholder = query.bind_cell(value);
            let placeholder = dialect.binary_parameter(&placeholder, kind);
            format!("{} = {placeholder}", dialect.binary(&slot.sql, kind))
        };
        match (dialect, kind) {
            (Dialect::Sqlite, _) => self.in_any_class(query),
            // The first test finds the index, the second the bytes.
            (Dialect::Mysql, ColumnKind::Text) => {
                format!("{} AND {}", equal(query, slot, value, *dialect), exact(query))
            }
            (
                _,
                ColumnKind::Integer
                | ColumnKind::Boolean
                | ColumnKind::Real
                | ColumnKind::Bytes
                | ColumnKind::Uuid
                | ColumnKind::Text,
            ) => equal(query, slot, value, *dialect),
            // A text that is not a value of the type would make the whole statement fail.
            _ => exact(query),
        }
    }

    /// A column of SQLite may hold every class, and the same text is a value of several.
    fn in_any_class(&self, query: &mut Query) -> String {
        let name = self.name;
        let mut cells = vec![self.value.clone(), Cell::Bytes(name.as_bytes().to_vec())];
        cells.extend(name.parse().ok().map(Cell::Integer));
        cells.extend(name.parse().ok().map(Cell::Real));
        let placeholders: Vec<String> = cells.iter().map(|cell| query.bind_cell(cell)).collect();
        format!("{} IN ({})", self.slot.sql, placeholders.join(", "))
    }
}

/// Parses an integer. MySQL's unsigned numbers can exceed `i64`, and are read as text then.
fn integer(name: &str, dialect: Dialect) -> Option<Cell> {
    let large = || (dialect == Dialect::Mysql).then(|| name.parse::<u64>().ok()).flatten();
    let number = name.parse().ok().map(Cell::Integer);
    number.or_else(|| large().map(|number| Cell::Text(number.to_string())))
}

/// Returns whether a cast to UUID would succeed; otherwise the whole statement would fail.
fn is_uuid(name: &str) -> bool {
    name.len() == 36
        && name.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

//! One batch of rows: the statement, its result, and the cursor after it.

use std::fmt;
use std::str::FromStr;

use sea_orm_migration::sea_orm::QueryResult;
use serde::{Deserialize, Serialize};

use crate::source::SourceError;
use crate::source::bind::{Bound, Slot};
use crate::sql::{Cell, CellReader, ColumnKind, Dialect, Query};

/// A row as it is stored.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) cells: Vec<Cell>,
    pub(super) is_orphan: bool,
}

/// Returns the columns that identify a row: the key's, or all that are mapped.
fn keys(bound: &Bound) -> Result<Vec<&Slot>, SourceError> {
    if bound.key.is_empty() {
        return Ok(bound.slots.iter().collect());
    }
    bound.key.iter().map(|at| bound.slot(*at)).collect()
}

/// Returns these columns as texts that differ where the values do, for rows without a unique index.
pub(super) fn identifying_texts(bound: &Bound) -> Result<Vec<String>, SourceError> {
    let normal = |slot: &Slot| bound.dialect.normal(&slot.sql, slot.column.kind);
    Ok(keys(bound)?.into_iter().map(normal).collect())
}

/// Returns the expressions that order the rows.
fn order(bound: &Bound) -> Result<Vec<String>, SourceError> {
    if let Some(place) = bound.row_location {
        return Ok(vec![format!("source_row.{place}")]);
    }
    if bound.is_key_indexed {
        Ok(keys(bound)?.into_iter().map(|slot| slot.sql.clone()).collect())
    } else {
        identifying_texts(bound)
    }
}

/// Selects all mapped columns, whether the row is an orphan, and further expressions.
pub(super) fn select(bound: &Bound, more: &str) -> Query {
    let dialect = bound.dialect;
    let distinct = if bound.key.is_empty() { "DISTINCT " } else { "" };
    let mut query = Query::new(dialect, format!("SELECT {distinct}"));
    for slot in bound.slots.iter() {
        query.push(&dialect.fetch(&slot.sql, slot.column.kind)).push(", ");
    }
    let orphan = bound.orphan.as_deref().unwrap_or("1 = 0");
    let number = if dialect == Dialect::Postgres { "::bigint" } else { "" };
    query.push(&format!("(CASE WHEN {orphan} THEN 1 ELSE 0 END){number}"));
    if !more.is_empty() {
        query.push(", ").push(more);
    }
    query
}

/// Selects what [`read`] and [`cursor`] read.
fn select_pages(bound: &Bound) -> Result<Query, SourceError> {
    let is_read = bound.row_location.is_none() && bound.is_key_indexed;
    let order = if is_read { String::new() } else { order(bound)?.join(", ") };
    let mut query = select(bound, &order);
    query.push(" FROM ").push(&bound.from);
    Ok(query)
}

/// Selects the next rows that pass the filter and `more`, a further condition.
pub(super) fn query(
    bound: &Bound,
    more: &str,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Query, SourceError> {
    let order = order(bound)?;
    let mut query = select_pages(bound)?;
    bound.push_filter(&mut query);
    query.push(more);
    if let Some(cursor) = after {
        query.push(" AND ");
        push_after(&mut query, bound, &order, cursor)?;
    }
    query.push(&format!(" ORDER BY {} LIMIT {limit}", order.join(", ")));
    Ok(query)
}

/// Appends the condition that a row comes after the cursor.
fn push_after(
    query: &mut Query,
    bound: &Bound,
    order: &[String],
    cursor: &Cursor,
) -> Result<(), SourceError> {
    let keys = keys(bound)?;
    let parameter = |query: &mut Query, at: usize| {
        let none = CursorValue::Text(String::new());
        let placeholder = cursor.0.get(at).unwrap_or(&none).bind(query);
        match keys.get(at) {
            Some(slot) if bound.is_key_indexed && bound.row_location.is_none() => {
                bound.dialect.typed(&placeholder, &slot.column)
            }
            _ => placeholder,
        }
    };
    // MySQL uses an index for `a > ? OR (a = ? AND b > ?)` but not for `(a, b) > (?, ?)`; the other
    // databases do the opposite.
    if bound.dialect != Dialect::Mysql {
        let values: Vec<String> = (0..order.len()).map(|at| parameter(query, at)).collect();
        query.push(&format!("({}) > ({})", order.join(", "), values.join(", ")));
        return Ok(());
    }
    let mut ways = Vec::new();
    for (last, greater) in order.iter().enumerate() {
        let mut way = String::new();
        for (at, equal) in order.iter().enumerate().take(last) {
            way.push_str(&format!("{equal} = {} AND ", parameter(query, at)));
        }
        ways.push(format!("({way}{greater} > {})", parameter(query, last)));
    }
    query.push(&format!("({})", ways.join(" OR ")));
    Ok(())
}

/// Reads the stored cells and whether the row is an orphan; returns them with the reader of what
/// was selected after them.
pub(super) fn cells<'a>(
    bound: &Bound,
    row: &'a QueryResult,
) -> Result<(Vec<Cell>, bool, CellReader<'a>), SourceError> {
    let mut reader = CellReader::new(bound.dialect, row);
    let cells = bound.slots.iter().map(|slot| reader.cell(slot.column.kind));
    let cells: Vec<Cell> = cells.collect::<Result<_, _>>()?;
    let is_orphan = reader.flag()?;
    Ok((cells, is_orphan, reader))
}

pub(super) fn read(bound: &Bound, row: &QueryResult) -> Result<Page, SourceError> {
    let (cells, is_orphan, _) = cells(bound, row)?;
    Ok(Page { cells, is_orphan })
}

/// Reads the position after a row.
pub(super) fn cursor(bound: &Bound, row: &QueryResult) -> Result<Cursor, SourceError> {
    let (cells, _, mut reader) = cells(bound, row)?;
    let marks = if bound.row_location.is_some() {
        vec![mark(&reader.cell(ColumnKind::Integer)?)]
    } else if bound.is_key_indexed {
        let marks = bound.key.iter().filter_map(|at| cells.get(*at)).map(mark);
        marks.collect()
    } else {
        let kind = match bound.dialect {
            Dialect::Mysql => ColumnKind::Bytes,
            _ => ColumnKind::Text,
        };
        let marks = keys(bound)?.into_iter().map(|_| Ok(mark(&reader.expression(kind)?)));
        marks.collect::<Result<_, SourceError>>()?
    };
    Ok(Cursor(marks))
}

pub(super) fn mark(cell: &Cell) -> CursorValue {
    match cell {
        Cell::Null => CursorValue::Text(String::new()),
        Cell::Integer(number) => CursorValue::Integer(*number),
        Cell::Real(number) => CursorValue::Real(number.to_bits()),
        Cell::Text(text) => CursorValue::Text(text.clone()),
        Cell::Bytes(bytes) => CursorValue::Bytes(bytes.clone()),
        Cell::MalformedText(bytes) => CursorValue::MalformedText(bytes.clone()),
    }
}

/// How far a table was read: the position after the last row.
///
/// Its text can be stored, and parsed by another process.
///
/// # Security
///
/// It holds the row's key, which can be a cookie, or without a key the row's tokens; `Debug` prints
/// nothing of it. Store the text only where the source's rows may be stored.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Cursor(Vec<CursorValue>);

/// One value of the position, as a parameter.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CursorValue {
    Integer(i64),
    /// By its bits, for its text would lose some.
    Real(u64),
    Text(String),
    Bytes(Vec<u8>),
    MalformedText(Vec<u8>),
}

impl CursorValue {
    /// Adds the value as a parameter; returns its placeholder.
    pub(super) fn bind(&self, query: &mut Query) -> String {
        query.bind_cell(&match self {
            Self::Integer(number) => Cell::Integer(*number),
            Self::Real(bits) => Cell::Real(f64::from_bits(*bits)),
            Self::Text(text) => Cell::Text(text.clone()),
            Self::Bytes(bytes) => Cell::Bytes(bytes.clone()),
            Self::MalformedText(bytes) => Cell::MalformedText(bytes.clone()),
        })
    }
}

/// A text that is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a cursor")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        serde_json::from_str(text).map(Self).map_err(|_| InvalidCursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({} values)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, CursorValue};

    #[test]
    fn a_cursor_outlives_its_process() {
        let marks = vec![
            CursorValue::Integer(-7),
            CursorValue::Real(0.1_f64.to_bits()),
            CursorValue::Text("Zoë \"".to_owned()),
            CursorValue::Bytes(vec![0, 255]),
        ];
        let cursor = Cursor(marks);
        assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        assert!("x".parse::<Cursor>().is_err());
        assert!(!format!("{cursor:?}").contains("Zo"));
    }
}

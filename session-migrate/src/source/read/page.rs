//! The statement for one batch, and what it gives.

use sea_orm_migration::sea_orm::QueryResult;

use super::cursor::{Cursor, Mark};
use crate::source::SourceError;
use crate::source::bind::{Bound, Slot};
use crate::sql::Cell;
use crate::sql::ColumnKind;
use crate::sql::Dialect;
use crate::sql::{CellReader, Query};

/// A row as it is stored.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) cells: Vec<Cell>,
    pub(super) is_orphan: bool,
    pub(super) cursor: Cursor,
}

/// The columns by which the rows are told apart: the key's, or all that are mapped.
fn keys(bound: &Bound) -> Result<Vec<&Slot>, SourceError> {
    if bound.key.is_empty() {
        return Ok(bound.slots.iter().collect());
    }
    bound.key.iter().map(|at| bound.slot(*at)).collect()
}

/// Those columns as texts that differ where the values do, for rows that no index orders.
pub(super) fn normals(bound: &Bound) -> Result<Vec<String>, SourceError> {
    let normal = |slot: &Slot| bound.dialect.normal(&slot.sql, slot.column.kind);
    Ok(keys(bound)?.into_iter().map(normal).collect())
}

/// The expressions that order the rows.
fn order(bound: &Bound) -> Result<Vec<String>, SourceError> {
    if let Some(place) = bound.place {
        return Ok(vec![format!("source_row.{place}")]);
    }
    if bound.is_key_indexed {
        Ok(keys(bound)?.into_iter().map(|slot| slot.sql.clone()).collect())
    } else {
        normals(bound)
    }
}

/// Selects all that is mapped, whether the row is an orphan, and then more, if there is more.
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

pub(super) fn query(
    bound: &Bound,
    after: Option<&Cursor>,
    limit: u32,
) -> Result<Query, SourceError> {
    let order = order(bound)?;
    let is_read = bound.place.is_none() && bound.is_key_indexed;
    let more = if is_read { String::new() } else { order.join(", ") };
    let mut query = select(bound, &more);
    query.push(" FROM ").push(&bound.from);
    bound.push_filter(&mut query);
    if let Some(cursor) = after {
        query.push(" AND ");
        push_after(&mut query, bound, &order, cursor)?;
    }
    query.push(&format!(" ORDER BY {} LIMIT {limit}", order.join(", ")));
    Ok(query)
}

/// Writes that a row comes after the cursor.
fn push_after(
    query: &mut Query,
    bound: &Bound,
    order: &[String],
    cursor: &Cursor,
) -> Result<(), SourceError> {
    let keys = keys(bound)?;
    let parameter = |query: &mut Query, at: usize| {
        let value = cursor.0.get(at).map_or(Mark::Text(String::new()), Clone::clone);
        let placeholder = query.bind(value.to_value());
        match keys.get(at) {
            Some(slot) if bound.is_key_indexed && bound.place.is_none() => {
                bound.dialect.typed(&placeholder, &slot.column)
            }
            _ => placeholder,
        }
    };
    // MySQL uses an index for `a > ? OR (a = ? AND b > ?)`, and none for `(a, b) > (?, ?)`; the
    // others do it the other way round.
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

/// The stored cells, whether the row is an orphan, and the reader of what was selected after them.
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
    let (cells, is_orphan, mut reader) = cells(bound, row)?;
    let marks = if bound.place.is_some() {
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
    Ok(Page { cells, is_orphan, cursor: Cursor(marks) })
}

fn mark(cell: &Cell) -> Mark {
    match cell {
        Cell::Null => Mark::Text(String::new()),
        Cell::Integer(number) => Mark::Integer(*number),
        Cell::Real(number) => Mark::Real(number.to_bits()),
        Cell::Text(text) => Mark::Text(text.clone()),
        Cell::Bytes(bytes) | Cell::MalformedText(bytes) => Mark::Bytes(bytes.clone()),
    }
}

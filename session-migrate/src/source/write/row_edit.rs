//! An edit of a row, cell by cell.

use std::borrow::Cow;

use serde_json::Value;

use super::encode_time::{TimeEncoding, is_text};
use super::json;
use super::time_format::TimeFormat;
use crate::source::bind::{Bound, Slot, TimeSlot, schema_mismatch};
use crate::source::row::SourceRow;
use crate::source::{SourceError, read};
use crate::sql::{Cell, Column, ColumnKind, Dialect};

/// The digits after a second of the times here.
const DIGITS: usize = 3;

/// The cells of a row as they were read, and as they become.
pub(super) struct RowEdit<'a> {
    bound: &'a Bound,
    stored: Vec<&'a Cell>,
    cells: Vec<Cell>,
}

impl<'a> RowEdit<'a> {
    /// Creates the edit of a row, without a change.
    pub(super) fn of(bound: &'a Bound, row: &'a SourceRow) -> Result<Self, SourceError> {
        let stored = stored(bound, row)?;
        let cells = stored.iter().map(|cell| (*cell).clone()).collect();
        Ok(Self { bound, stored, cells })
    }

    /// Creates the edit of a row that is not stored yet.
    pub(super) fn new(bound: &'a Bound, cells: &'a [Cell]) -> Self {
        Self { bound, stored: cells.iter().collect(), cells: cells.to_vec() }
    }

    /// Returns all cells, in the order of the mapping's slots.
    pub(super) fn into_cells(self) -> Vec<Cell> {
        self.cells
    }

    pub(super) const fn bound(&self) -> &'a Bound {
        self.bound
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Returns the cells that differ from what was read, with their indexes.
    pub(super) fn changes(self) -> Vec<(usize, Cell)> {
        let cells = self.stored.into_iter().zip(self.cells).enumerate();
        cells
            .filter(|(_, (stored, cell))| **stored != *cell)
            .map(|(at, (_, cell))| (at, cell))
            .collect()
    }

    /// Returns whether the column is the mapped table's; several rows can share a joined row.
    pub(super) fn is_own(&self, at: usize) -> bool {
        self.bound.slots.slot(at).is_some_and(|slot| slot.join.is_none())
    }

    pub(super) fn slot(&self, at: usize) -> Result<&'a Slot, SourceError> {
        self.bound.slot(at)
    }

    /// Returns a cell, or the value at a path in its JSON.
    pub(super) fn cell(&self, at: usize, path: &[String]) -> Cell {
        self.cells.get(at).map_or(Cell::Null, |cell| read::within(cell, path))
    }

    /// Returns the JSON value at a path.
    pub(super) fn json(&self, at: usize, path: &[String]) -> Option<Value> {
        let json = self.cells.get(at)?.as_bytes().and_then(read::json)?;
        read::walk(&json, path).cloned()
    }

    /// Sets a cell, or the value at a path in its JSON.
    pub(super) fn put(
        &mut self,
        at: usize,
        path: &[String],
        cell: Cell,
    ) -> Result<(), SourceError> {
        if path.is_empty() {
            return self.set(at, cell);
        }
        let value = match cell {
            Cell::Null => Value::Null,
            Cell::Integer(number) => number.into(),
            Cell::Real(number) => number.into(),
            Cell::Text(text) => text.into(),
            Cell::Bytes(_) | Cell::MalformedText(_) => {
                return Err(self.failed(at, "is JSON, which cannot hold bytes"));
            }
        };
        self.put_json(at, path, Some(&value))
    }

    /// Sets or removes the field at a path.
    pub(super) fn put_json(
        &mut self,
        at: usize,
        path: &[String],
        value: Option<&Value>,
    ) -> Result<(), SourceError> {
        let Some((name, way)) = path.split_last() else { return Ok(()) };
        let stored = self.cell(at, &[]);
        let edited =
            json::edited(stored.as_bytes().unwrap_or_default(), way, &mut |fields| match value {
                Some(value) => fields.set(name, value),
                None => {
                    fields.remove(name);
                    Ok(())
                }
            });
        let edited = edited.map_err(|_| self.failed(at, "does not hold the expected JSON"))?;
        let Some(text) = edited else { return Ok(()) };
        self.set(
            at,
            match stored {
                Cell::Bytes(_) => Cell::Bytes(text.as_bytes().to_vec()),
                _ => Cell::Text(text.to_string()),
            },
        )
    }

    /// Clears a cell or a field, as far as the column can be empty.
    pub(super) fn clear(
        &mut self,
        at: usize,
        path: &[String],
        otherwise: Option<Cell>,
    ) -> Result<(), SourceError> {
        if !path.is_empty() {
            return self.put_json(at, path, None);
        }
        let otherwise =
            if self.slot(at)?.column.is_nullable { Some(Cell::Null) } else { otherwise };
        otherwise.map_or(Ok(()), |cell| self.set(at, cell))
    }

    fn set(&mut self, at: usize, cell: Cell) -> Result<(), SourceError> {
        if self.cells.get(at) == Some(&cell) {
            return Ok(());
        }
        if !self.is_own(at) {
            return Err(self.failed(at, "belongs to a joined table"));
        }
        if self.bound.key.contains(&at) {
            return Err(self.failed(at, "is part of the row's key"));
        }
        if let Some(old) = self.cells.get_mut(at) {
            *old = cell;
        }
        Ok(())
    }

    pub(super) fn failed(&self, at: usize, why: &str) -> SourceError {
        let column = self.bound.slots.slot(at).map_or("", |slot| slot.column.name.as_str());
        schema_mismatch(format!("the column {column:?} cannot be written back: it {why}"))
    }

    /// Returns how a column encodes times by its type.
    pub(super) fn encoding(&self, slot: &TimeSlot) -> Result<TimeEncoding, SourceError> {
        let column = &self.slot(slot.at)?.column;
        if !slot.path.is_empty() {
            return Ok(if is_text(slot.unit) { TimeEncoding::Text } else { TimeEncoding::Integer });
        }
        let is_sqlite = self.bound.dialect == Dialect::Sqlite;
        Ok(match column.kind {
            ColumnKind::ZonedTime if !is_sqlite => {
                TimeEncoding::Time(TimeFormat::column(digits(column, self.bound.dialect), true))
            }
            ColumnKind::NaiveTime if !is_sqlite && column.declared == "date" => {
                TimeEncoding::Time(TimeFormat::date())
            }
            ColumnKind::NaiveTime if !is_sqlite => {
                TimeEncoding::Time(TimeFormat::column(digits(column, self.bound.dialect), false))
            }
            ColumnKind::Integer | ColumnKind::Boolean => TimeEncoding::Integer,
            ColumnKind::Real => TimeEncoding::Real,
            // SQLite's column takes both, so the unit decides.
            _ if is_sqlite && column.kind == ColumnKind::NaiveTime && !is_text(slot.unit) => {
                TimeEncoding::Integer
            }
            _ => TimeEncoding::Text,
        })
    }
}

/// Returns the cells of a row, in the order of the mapping's slots.
pub(super) fn stored<'a>(bound: &Bound, row: &'a SourceRow) -> Result<Vec<&'a Cell>, SourceError> {
    let mut slots = bound.slots.iter();
    let is_its = row.stored.iter().all(|stored| {
        slots
            .next()
            .is_some_and(|slot| slot.column.name == stored.column && slot.join == stored.join)
    });
    if !is_its || slots.next().is_some() {
        return Err(schema_mismatch("the row belongs to another mapping".to_owned()));
    }
    Ok(row.stored.iter().map(|stored| &stored.cell).collect())
}

/// Returns the digits that a time column keeps: more would be rounded, possibly to a later time.
fn digits(column: &Column, dialect: Dialect) -> usize {
    let within = column.declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    let declared = within.and_then(|(digits, _)| digits.trim().parse().ok());
    let otherwise = if dialect == Dialect::Mysql { 0 } else { DIGITS };
    declared.unwrap_or(otherwise).min(DIGITS)
}

/// Returns a cell's text, or an empty one.
pub(super) fn text(cell: &Cell) -> Cow<'_, str> {
    cell.as_text().unwrap_or_default()
}

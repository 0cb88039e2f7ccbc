//! The columns that are selected, each once.

use std::collections::BTreeMap;

use crate::source::mapping::{Mapping, Place};
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Dialect;
use crate::sql::{Column, Schema, Table};

/// The mapped table's name in every statement.
pub(crate) const BASE: &str = "source_row";

/// A selected column.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) column: Column,
    pub(crate) join: Option<String>,
    /// The column with its table's name, quoted.
    pub(crate) sql: String,
}

impl Slot {
    fn is(&self, column: &str, join: Option<&str>) -> bool {
        self.column.name == column && self.join.as_deref() == join
    }
}

/// Every column that a mapping reads, in the order in which it is selected.
#[derive(Debug)]
pub(crate) struct Slots {
    dialect: Dialect,
    base: Table,
    joined: BTreeMap<String, Table>,
    slots: Vec<Slot>,
}

impl Slots {
    pub(crate) fn new(
        mapping: &Mapping,
        table: &Table,
        schema: &Schema,
        dialect: Dialect,
    ) -> Result<Self, SourceError> {
        let mut joined = BTreeMap::new();
        for join in &mapping.join {
            let place = format!("join {:?}", join.name);
            let table = find(schema, join.schema.as_deref(), &join.table, &place)?;
            joined.insert(join.name.clone(), table.clone());
        }
        Ok(Self { dialect, base: table.clone(), joined, slots: Vec::new() })
    }

    /// The place of a column, which is selected from now on.
    pub(crate) fn at(&mut self, column: &str, join: Option<&str>) -> Result<usize, SourceError> {
        if let Some(at) = self.slots.iter().position(|slot| slot.is(column, join)) {
            return Ok(at);
        }
        let table = match join {
            None => &self.base,
            Some(name) => {
                self.joined.get(name).ok_or_else(|| misfit(format!("no join {name:?}")))?
            }
        };
        let found = column_of(table, column)?.clone();
        let sql =
            format!("{}.{}", self.dialect.quote(join.unwrap_or(BASE)), self.dialect.quote(column));
        self.slots.push(Slot { column: found, join: join.map(str::to_owned), sql });
        Ok(self.slots.len() - 1)
    }

    /// The mapped table.
    pub(crate) const fn base(&self) -> &Table {
        &self.base
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn place(&mut self, place: &Place) -> Result<usize, SourceError> {
        self.at(&place.column, place.join.as_deref())
    }

    pub(crate) fn find(&self, column: &str, join: Option<&str>) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.is(column, join))
    }

    /// The place of a column that is selected.
    pub(crate) fn position(&self, column: &str, join: Option<&str>) -> Result<usize, SourceError> {
        let at = self.slots.iter().position(|slot| slot.is(column, join));
        at.ok_or_else(|| misfit(format!("the mapping reads no column {column:?}")))
    }

    /// The slot at a place that [`at`](Self::at) gave.
    pub(crate) fn slot(&self, at: usize) -> Option<&Slot> {
        self.slots.get(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }
}

/// The table of this name; else an error that says which there are.
pub(super) fn find<'a>(
    schema: &'a Schema,
    qualifier: Option<&str>,
    name: &str,
    place: &str,
) -> Result<&'a Table, SourceError> {
    schema.table(qualifier, name).ok_or_else(|| {
        let mut there: Vec<&str> = schema.tables.iter().map(|table| table.name.as_str()).collect();
        there.truncate(20);
        misfit(format!("{place}: there is no table {name:?}; there are {}", there.join(", ")))
    })
}

pub(super) fn column_of<'a>(table: &'a Table, name: &str) -> Result<&'a Column, SourceError> {
    table.column(name).ok_or_else(|| {
        let there: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        misfit(format!(
            "the table {:?} has no column {name:?}; it has {}",
            table.name,
            there.join(", ")
        ))
    })
}

pub(crate) fn misfit(detail: String) -> SourceError {
    SourceError::because(SourceErrorKind::Schema, detail)
}

//! The columns that are selected, each once, and the tables that they refer to.

use std::collections::BTreeMap;

use crate::source::mapping::{ColumnPath, Mapping};
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::{Column, Dialect, Schema, Table};

/// The mapped table's alias in every statement.
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

    /// Returns the index of a column, which is selected from now on.
    pub(crate) fn at(&mut self, column: &str, join: Option<&str>) -> Result<usize, SourceError> {
        if let Some(at) = self.slots.iter().position(|slot| slot.is(column, join)) {
            return Ok(at);
        }
        let table = match join {
            None => &self.base,
            Some(name) => self
                .joined
                .get(name)
                .ok_or_else(|| schema_mismatch(format!("the mapping has no join {name:?}")))?,
        };
        let found = column_of(table, column)?.clone();
        let sql =
            format!("{}.{}", self.dialect.quote(join.unwrap_or(BASE)), self.dialect.quote(column));
        self.slots.push(Slot { column: found, join: join.map(str::to_owned), sql });
        Ok(self.slots.len() - 1)
    }

    /// Returns the mapped table.
    pub(crate) const fn base(&self) -> &Table {
        &self.base
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn place(&mut self, place: &ColumnPath) -> Result<usize, SourceError> {
        self.at(&place.column, place.join.as_deref())
    }

    pub(crate) fn find(&self, column: &str, join: Option<&str>) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.is(column, join))
    }

    /// Returns the index of a selected column.
    pub(crate) fn position(&self, column: &str, join: Option<&str>) -> Result<usize, SourceError> {
        let at = self.slots.iter().position(|slot| slot.is(column, join));
        at.ok_or_else(|| schema_mismatch(format!("the mapping does not read a column {column:?}")))
    }

    /// Returns the slot at an index that [`at`](Self::at) returned.
    pub(crate) fn slot(&self, at: usize) -> Option<&Slot> {
        self.slots.get(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }
}

/// Returns the table of this name, or an error that lists the tables.
pub(super) fn find<'a>(
    schema: &'a Schema,
    qualifier: Option<&str>,
    name: &str,
    place: &str,
) -> Result<&'a Table, SourceError> {
    schema.table(qualifier, name).ok_or_else(|| {
        let mut there: Vec<&str> = schema.tables.iter().map(|table| table.name.as_str()).collect();
        there.truncate(20);
        schema_mismatch(format!(
            "{place}: there is no table {name:?}; there are {}",
            there.join(", ")
        ))
    })
}

pub(super) fn column_of<'a>(table: &'a Table, name: &str) -> Result<&'a Column, SourceError> {
    table.column(name).ok_or_else(|| {
        let there: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        schema_mismatch(format!(
            "the table {:?} has no column {name:?}; it has {}",
            table.name,
            there.join(", ")
        ))
    })
}

pub(crate) fn schema_mismatch(detail: String) -> SourceError {
    SourceError::because(SourceErrorKind::Schema, detail)
}

/// A table that a column of the mapped rows refers to.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) table: Table,
    /// The column that is referred to.
    pub(crate) column: Column,
    /// The index of the column that refers to it.
    pub(crate) child: usize,
    /// The columns of the table whose change changes a row of the source: of a parent, the one that
    /// is referred to; of a joined table, also those that the mapping reads.
    pub(crate) read: Vec<Column>,
}

impl Relation {
    fn is_same(&self, other: &Self) -> bool {
        let name = |it: &Self| (it.table.schema.clone(), it.table.name.clone(), it.child);
        name(self) == name(other) && self.column.name == other.column.name
    }
}

/// Returns every relation once; joins come first, because they read more than a parent does.
pub(super) fn relations(
    mapping: &Mapping,
    schema: &Schema,
    slots: &mut Slots,
) -> Result<Vec<Relation>, SourceError> {
    let mut relations: Vec<Relation> = Vec::new();
    for join in &mapping.join {
        let table = find(schema, join.schema.as_deref(), &join.table, "join")?;
        let mut found = relation(table, &join.column, &join.on, slots)?;
        let read = slots.iter().filter(|slot| slot.join.as_deref() == Some(join.name.as_str()));
        let read = read.map(|slot| slot.column.clone());
        found.read.extend(read.filter(|column| column.name != join.column));
        relations.push(found);
    }
    for parent in &mapping.parent {
        let table = find(schema, parent.schema.as_deref(), &parent.table, "parent")?;
        let child = parent.child.as_ref().unwrap_or(&mapping.user);
        let found = relation(table, &parent.column, child, slots)?;
        if !relations.iter().any(|known| known.is_same(&found)) {
            relations.push(found);
        }
    }
    Ok(relations)
}

fn relation(
    table: &Table,
    column: &str,
    child: &ColumnPath,
    slots: &mut Slots,
) -> Result<Relation, SourceError> {
    let column = column_of(table, column)?.clone();
    let read = vec![column.clone()];
    Ok(Relation { table: table.clone(), column, child: slots.place(child)?, read })
}

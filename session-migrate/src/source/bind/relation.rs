//! What else a row is made from: the tables that its columns refer to.

use super::Slots;
use super::slots::{column_of, find};
use crate::source::SourceError;
use crate::source::mapping::{Mapping, Place};
use crate::sql::{Column, Schema, Table};

/// A table that a column of the mapped rows refers to.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) table: Table,
    /// The column that is referred to.
    pub(crate) column: Column,
    /// The slot that refers to it.
    pub(crate) child: usize,
    /// The columns of the table whose change makes another row: of a parent, the one that is
    /// referred to; of a joined table, also those that the mapping reads.
    pub(crate) read: Vec<Column>,
}

impl Relation {
    fn is_same(&self, other: &Self) -> bool {
        let name = |it: &Self| (it.table.schema.clone(), it.table.name.clone(), it.child);
        name(self) == name(other) && self.column.name == other.column.name
    }
}

/// Every relation once; the joins come first, because they read more than a parent does.
pub(super) fn all(
    mapping: &Mapping,
    schema: &Schema,
    slots: &mut Slots,
) -> Result<Vec<Relation>, SourceError> {
    let mut relations: Vec<Relation> = Vec::new();
    for join in &mapping.join {
        let table = find(schema, join.schema.as_deref(), &join.table, "join")?;
        let mut relation = new(table, &join.column, &join.on, slots)?;
        let read = slots.iter().filter(|slot| slot.join.as_deref() == Some(join.name.as_str()));
        let read = read.map(|slot| slot.column.clone());
        relation.read.extend(read.filter(|column| column.name != join.column));
        relations.push(relation);
    }
    for parent in &mapping.parent {
        let table = find(schema, parent.schema.as_deref(), &parent.table, "parent")?;
        let child = parent.child.as_ref().unwrap_or(&mapping.user);
        let relation = new(table, &parent.column, child, slots)?;
        if !relations.iter().any(|known| known.is_same(&relation)) {
            relations.push(relation);
        }
    }
    Ok(relations)
}

fn new(
    table: &Table,
    column: &str,
    child: &Place,
    slots: &mut Slots,
) -> Result<Relation, SourceError> {
    let column = column_of(table, column)?.clone();
    let read = vec![column.clone()];
    Ok(Relation { table: table.clone(), column, child: slots.place(child)?, read })
}

//! Adapts a preset's mapping to the names and types of a schema.

use super::file::Head;
use crate::source::mapping::columns::{folded, is_match};
use crate::source::mapping::{
    ColumnPath, Filter, Mapping, NewestBy, Parent, TimeSource, TokenSource, Unit, Zone,
};
use crate::sql::{Column, ColumnKind, Schema, Table};

/// The adaptation of one mapping, and what was found and missing.
pub(super) struct Adaptation<'a> {
    head: &'a Head,
    schema: &'a Schema,
    table: &'a Table,
    /// The joined tables that exist, by the joins' names.
    joined: Vec<(String, &'a Table)>,
    pub(super) found: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl<'a> Adaptation<'a> {
    pub(super) const fn new(head: &'a Head, schema: &'a Schema, table: &'a Table) -> Self {
        Self {
            head,
            schema,
            table,
            joined: Vec::new(),
            found: Vec::new(),
            missing: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn adapt(&mut self, template: Mapping) -> Mapping {
        let mut mapping = template;
        mapping.table.clone_from(&self.table.name);
        let is_elsewhere = self.table.schema != self.schema.default_schema;
        mapping.schema = self.table.schema.clone().filter(|_| is_elsewhere);
        self.joins(&mut mapping);
        mapping.key = self.key(&mapping.key);
        self.required(&mut mapping.user);
        if let Some(column) = mapping.provider.column.clone() {
            let mut place =
                ColumnPath { column, join: mapping.provider.join.clone(), path: Vec::new() };
            self.required(&mut place);
            (mapping.provider.column, mapping.provider.join) = (Some(place.column), place.join);
        }
        mapping.account = mapping.account.take().and_then(|place| self.optional(place));
        mapping.client = mapping.client.take().and_then(|place| self.optional(place));
        self.tokens(&mut mapping);
        self.times(&mut mapping);
        self.filters(&mut mapping.filter);
        mapping.parent = std::mem::take(&mut mapping.parent)
            .into_iter()
            .filter_map(|parent| self.parent(parent))
            .collect();
        mapping
    }

    /// Adapts the joins. One whose table is missing is left out; the column that refers to it takes
    /// the place of the provider's name.
    fn joins(&mut self, mapping: &mut Mapping) {
        let joins = std::mem::take(&mut mapping.join);
        for mut join in joins {
            match self.schema.table(None, &join.table) {
                Some(table) => {
                    self.required(&mut join.on);
                    self.joined.push((join.name.clone(), table));
                    mapping.join.push(join);
                }
                None if mapping.provider.join.as_deref() == Some(join.name.as_str())
                    && mapping.user.join.is_none() =>
                {
                    self.notes.push(format!(
                        "no table {}: the column {} stands for the provider's name",
                        join.table, join.on.column
                    ));
                    mapping.provider.join = None;
                    mapping.provider.column = Some(join.on.column.clone());
                }
                None => self.missing.push(format!("table {}", join.table)),
            }
        }
    }

    /// Returns the key's columns, or the primary key's where one is missing.
    fn key(&mut self, key: &[String]) -> Vec<String> {
        let found: Option<Vec<String>> =
            key.iter().map(|name| Some(self.lookup(self.table, name)?.name.clone())).collect();
        found.unwrap_or_else(|| self.table.primary_key.clone())
    }

    /// Finds a column by its name: in this spelling, in another spelling, or by an alias.
    fn lookup(&self, table: &'a Table, name: &str) -> Option<&'a Column> {
        let by = |name: &str| {
            let spelled = |column: &&Column| folded(&column.name) == folded(name);
            table.column(name).or_else(|| table.columns.iter().find(spelled))
        };
        let others = self.head.alias.get(name).into_iter().flatten();
        by(name).or_else(|| others.into_iter().find_map(|other| by(other)))
    }

    fn table_of(&self, join: Option<&str>) -> Option<&'a Table> {
        match join {
            None => Some(self.table),
            Some(name) => {
                self.joined.iter().find(|(known, _)| known == name).map(|(_, table)| *table)
            }
        }
    }

    /// Finds a column, and records that it was found or is missing.
    fn column(&mut self, name: &str, join: Option<&str>) -> Option<&'a Column> {
        let table = self.table_of(join)?;
        let found = self.lookup(table, name);
        let is_optional = self.head.optional.iter().any(|known| is_match(&pattern(known), name));
        match found {
            Some(column) => self.found.push(format!("column {}.{}", table.name, column.name)),
            None if is_optional => {}
            None => self.missing.push(format!("column {}.{name}", table.name)),
        }
        found
    }

    fn required(&mut self, place: &mut ColumnPath) {
        if let Some(column) = self.column(&place.column, place.join.as_deref()) {
            place.column.clone_from(&column.name);
        }
    }

    fn optional(&mut self, mut place: ColumnPath) -> Option<ColumnPath> {
        let column = self.column(&place.column, place.join.as_deref())?;
        place.column.clone_from(&column.name);
        Some(place)
    }

    fn token(&mut self, place: Option<TokenSource>) -> Option<TokenSource> {
        let mut place = place?;
        let column = self.column(&place.column, place.join.as_deref())?;
        place.column.clone_from(&column.name);
        Some(place)
    }

    fn tokens(&mut self, mapping: &mut Mapping) {
        let tokens = &mut mapping.tokens;
        tokens.response = self.token(tokens.response.take());
        tokens.access = self.token(tokens.access.take());
        tokens.refresh = self.token(tokens.refresh.take());
        tokens.id = self.token(tokens.id.take());
        tokens.scope = tokens.scope.take().and_then(|place| self.optional(place));
        tokens.token_type = self.token(tokens.token_type.take());
        if tokens.response.is_none() && tokens.access.is_none() && tokens.refresh.is_none() {
            self.missing.push(format!("a column of tokens in {}", self.table.name));
        }
    }

    fn times(&mut self, mapping: &mut Mapping) {
        mapping.expires = std::mem::take(&mut mapping.expires)
            .into_iter()
            .filter_map(|time| self.time(Some(time)))
            .collect();
        mapping.created = self.time(mapping.created.take());
        mapping.renewed = self.time(mapping.renewed.take());
        mapping.used = self.time(mapping.used.take());
        let there = [
            (NewestBy::Renewed, mapping.renewed.is_some()),
            (NewestBy::Used, mapping.used.is_some()),
            (NewestBy::Created, mapping.created.is_some()),
        ];
        let is_there = |by: NewestBy| there.contains(&(by, true));
        if mapping.newest_by.is_some_and(|by| !is_there(by)) {
            mapping.newest_by = there.iter().find(|(_, is_there)| *is_there).map(|(by, _)| *by);
        }
    }

    fn time(&mut self, place: Option<TimeSource>) -> Option<TimeSource> {
        let mut place = place?;
        let column = self.column(&place.column, place.join.as_deref())?;
        place.column.clone_from(&column.name);
        if place.path.is_empty() {
            (place.unit, place.zone) = unit(&place, column.kind);
        }
        place.relative_to = std::mem::take(&mut place.relative_to)
            .into_iter()
            .filter_map(|base| self.time(Some(base)))
            .collect();
        Some(place)
    }

    fn filters(&mut self, filters: &mut [Filter]) {
        for filter in filters {
            if let Some(column) = self.column(&filter.column, filter.join.as_deref()) {
                filter.column.clone_from(&column.name);
            }
        }
    }

    /// Returns a table's name with the mapped table's prefix for a `*`: beside `shop_account` is
    /// `shop_user`, not the table of another application.
    fn beside(&self, name: &str) -> Option<String> {
        if !name.contains('*') {
            return Some(name.to_owned());
        }
        let (prefix, _) = self.table.name.rsplit_once('_')?;
        Some(name.replace('*', prefix))
    }

    /// Adapts a parent. Without it, orphans cannot be recognised.
    fn parent(&mut self, mut parent: Parent) -> Option<Parent> {
        let names = std::iter::once(&parent.table).chain(&self.head.users);
        let names: Vec<&String> =
            if parent.child.is_some() { vec![&parent.table] } else { names.collect() };
        let is_own = |table: &&Table| table.schema == self.table.schema;
        let tables: Vec<&Table> = self.schema.tables.iter().filter(is_own).collect();
        let found = names.iter().find_map(|name| {
            let name = self.beside(name)?;
            tables.iter().find(|table| table.name == name).copied()
        });
        let column = found.and_then(|table| self.lookup(table, &parent.column));
        let (Some(table), Some(column)) = (found, column) else {
            self.notes.push(format!("no table {}: orphans cannot be recognised", parent.table));
            return None;
        };
        parent.table.clone_from(&table.name);
        parent.schema = table.schema.clone().filter(|_| table.schema != self.schema.default_schema);
        parent.column.clone_from(&column.name);
        if let Some(child) = parent.child.take() {
            parent.child = self.optional(child);
            parent.child.as_ref()?;
        }
        Some(parent)
    }
}

/// Turns a template's column name with its placeholder into a pattern.
fn pattern(name: &str) -> String {
    name.replace("{provider}", "*")
}

/// Returns the unit for the column's type; numbers keep the preset's unit, or are seconds.
fn unit(place: &TimeSource, kind: ColumnKind) -> (Unit, Option<Zone>) {
    let zone = place.zone.clone().or_else(|| Some(Zone::utc()));
    match kind {
        ColumnKind::ZonedTime | ColumnKind::NaiveTime => (Unit::Timestamp, zone),
        ColumnKind::Text | ColumnKind::Other
            if matches!(place.unit, Unit::Timestamp | Unit::Iso) =>
        {
            (Unit::Iso, zone)
        }
        ColumnKind::Integer | ColumnKind::Real | ColumnKind::Decimal
            if matches!(place.unit, Unit::Timestamp | Unit::Iso) =>
        {
            (Unit::Seconds, None)
        }
        _ => (place.unit, place.zone.clone()),
    }
}

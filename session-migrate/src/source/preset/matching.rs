//! Whether a preset matches a schema, and why.

use std::cmp::Reverse;

use super::adapt::Adaptation;
use super::file::{Head, PresetFile};
use super::group;
use crate::source::mapping::columns::is_match;
use crate::source::mapping::{Mapping, Mappings};
use crate::sql::{Schema, Table};

/// How many columns of a preset a table has for a near miss.
const MIN_NEAR_MISS_COLUMNS: usize = 2;

/// A preset that matches a schema.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Match {
    /// The preset's name.
    pub preset: &'static str,
    /// Its title.
    pub title: String,
    /// The table by which it was recognised.
    pub table: String,
    /// The mappings, in the schema's spelling.
    pub mappings: Mappings,
    /// Why it matches.
    pub because: Vec<String>,
    /// What was left out, and remarks for users.
    pub notes: Vec<String>,
    /// The strength of the match; of several presets that match a table, the highest is the most
    /// likely.
    pub score: u32,
    /// Distinguishing traits that this schema lacks.
    contradictions: Vec<String>,
}

/// A preset that does not match a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The preset's name.
    pub preset: &'static str,
    /// The closest table, if one has the preset's name.
    pub table: Option<String>,
    /// How many of the preset's columns that table has.
    pub matched: usize,
    /// The tables and columns that are missing or differ.
    pub missing: Vec<String>,
    /// Whether the preset's mapping fits nevertheless, so that it can be chosen by its name: the
    /// schema only lacks what distinguishes the project.
    pub fits: bool,
}

/// The presets that match a schema, and near misses.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Recognition {
    /// The matches, the most likely first.
    pub matches: Vec<Match>,
    /// Presets of which a table has the name and at least two columns, the closest first.
    pub near_misses: Vec<Mismatch>,
}

impl Mismatch {
    pub(super) fn broken(preset: &'static str, why: String) -> Self {
        Self { preset, table: None, matched: 0, missing: vec![why], fits: false }
    }
}

impl Match {
    /// Returns this match, unless the schema lacks a distinguishing trait.
    pub(super) fn recognised(self) -> Result<Self, Mismatch> {
        if self.contradictions.is_empty() {
            return Ok(self);
        }
        let matched = self.because.len();
        Err(Mismatch {
            preset: self.preset,
            table: Some(self.table),
            matched,
            missing: self.contradictions,
            fits: true,
        })
    }
}

impl Recognition {
    pub(super) fn add(&mut self, result: Result<Match, Mismatch>) {
        match result {
            Ok(found) => self.matches.push(found),
            Err(mismatch) if mismatch.matched >= MIN_NEAR_MISS_COLUMNS => {
                self.near_misses.push(mismatch)
            }
            Err(_) => {}
        }
    }

    pub(super) fn rank(&mut self) {
        self.matches.sort_by_key(|found| Reverse(found.score));
        self.near_misses.sort_by_key(|mismatch| Reverse(mismatch.matched));
    }
}

/// Matches a preset with the first table that it fits, or returns what the closest table lacks.
pub(super) fn find_match(
    preset: &'static str,
    file: &PresetFile,
    schema: &Schema,
) -> Result<Match, Mismatch> {
    let mut nearest: Option<Mismatch> = None;
    for table in candidates(&file.preset, schema) {
        match match_table(preset, file, schema, table) {
            Ok(found) => return Ok(found),
            Err(mismatch)
                if nearest.as_ref().is_none_or(|near| near.matched < mismatch.matched) =>
            {
                nearest = Some(mismatch);
            }
            Err(_) => {}
        }
    }
    Err(nearest.unwrap_or_else(|| Mismatch {
        preset,
        table: None,
        matched: 0,
        missing: vec![format!("a table named {}", file.preset.tables.join(" or "))],
        fits: false,
    }))
}

/// Returns the tables with one of the preset's names: the most likely name first, and for each name
/// the connection's own schema and the exact spelling first.
fn candidates<'a>(head: &Head, schema: &'a Schema) -> Vec<&'a Table> {
    let mut found: Vec<&Table> = Vec::new();
    for pattern in &head.tables {
        let is_named = |table: &&Table| {
            is_match(&pattern.to_lowercase(), &table.name.to_lowercase()) && !table.is_view
        };
        let mut named: Vec<&Table> = schema.tables.iter().filter(is_named).collect();
        named.sort_by_key(|table| (table.schema != schema.default_schema, table.name != *pattern));
        for table in named {
            if !found.iter().any(|known| std::ptr::eq(*known, table)) {
                found.push(table);
            }
        }
    }
    found
}

fn match_table(
    preset: &'static str,
    file: &PresetFile,
    schema: &Schema,
    table: &Table,
) -> Result<Match, Mismatch> {
    let head = &file.preset;
    let templates: Vec<Mapping> =
        if head.groups { group::mappings(&file.mapping, table) } else { file.mapping.clone() };
    if templates.is_empty() {
        let missing = vec![
            "columns <provider>_token with <provider>_id or <provider>_refresh_token".to_owned(),
        ];
        let table = Some(table.name.clone());
        return Err(Mismatch { preset, table, matched: 0, missing, fits: false });
    }
    let mut adapted = Vec::new();
    let (mut because, mut notes) = (vec![format!("table {}", table.name)], Vec::new());
    for template in templates {
        let mut adaptation = Adaptation::new(head, schema, table);
        let mapping = adaptation.adapt(template);
        if !adaptation.missing.is_empty() {
            return Err(Mismatch {
                preset,
                table: Some(table.name.clone()),
                matched: adaptation.found.len(),
                missing: adaptation.missing,
                fits: false,
            });
        }
        because.extend(adaptation.found);
        notes.extend(adaptation.notes);
        adapted.push(mapping);
    }
    because.dedup();
    let (contradictions, mut marks) = marks(head, schema, table);
    marks.extend(adapted.iter().find_map(|mapping| account_mark(head, table, mapping)));
    because.extend(marks.iter().cloned());
    notes.extend(head.notes.iter().cloned());
    let is_exact = head.tables.contains(&table.name);
    let points = because.len() + 4 * marks.len() + 2 * usize::from(is_exact);
    Ok(Match {
        preset,
        title: head.title.clone(),
        table: table.name.clone(),
        mappings: Mappings { mapping: adapted },
        because,
        notes,
        score: u32::try_from(points).unwrap_or(u32::MAX),
        contradictions,
    })
}

/// Returns the trait that provider and account are unique, or are not, if it supports the preset.
fn account_mark(head: &Head, table: &Table, mapping: &Mapping) -> Option<String> {
    let columns = [mapping.provider.column.clone()?, mapping.account.as_ref()?.column.clone()];
    let is_unique = table.unique.iter().any(|index| {
        index.len() == columns.len() && index.iter().all(|name| columns.contains(name))
    });
    let words = if is_unique { "a unique key" } else { "no unique key" };
    let is_expected = head.has_unique_account == Some(is_unique);
    is_expected.then(|| format!("{words} on {}", columns.join(" and ")))
}

/// Returns the traits that contradict the preset, and those that support it, beside its columns.
fn marks(head: &Head, schema: &Schema, table: &Table) -> (Vec<String>, Vec<String>) {
    let (mut against, mut in_favour) = (Vec::new(), Vec::new());
    for (name, sorts) in &head.types {
        match table.column(name) {
            Some(column) if sorts.iter().any(|sort| sort.is(column.kind)) => {
                in_favour.push(format!("column {name} is {}", column.declared));
            }
            Some(column) => against.push(format!("column {name} is {}", column.declared)),
            None => {}
        }
    }
    for name in &head.absent {
        match table.column(name) {
            Some(_) => against.push(format!("there is a column {name}")),
            None => in_favour.push(format!("no column {name}")),
        }
    }
    for name in &head.neighbours {
        if schema.tables.iter().any(|table| table.name == *name) {
            in_favour.push(format!("table {name}"));
        }
    }
    (against, in_favour)
}

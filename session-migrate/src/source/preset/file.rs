use std::collections::BTreeMap;

use serde::Deserialize;

use crate::source::mapping::{Mapping, MappingError, read_toml};
use crate::sql::ColumnKind;

/// A preset's file: a head, and the mapping as most have it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetFile {
    pub(super) preset: Head,
    pub(super) mapping: Vec<Mapping>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// What it is called in reports.
    pub(super) title: String,
    /// What the table may be called, the likeliest first. A `*` stands for any text.
    pub(super) tables: Vec<String>,
    /// Columns that may be missing, as the mapping spells them.
    #[serde(default)]
    pub(super) optional: Vec<String>,
    /// What the table of users may be called.
    #[serde(default)]
    pub(super) users: Vec<String>,
    /// Other names of columns.
    #[serde(default)]
    pub(super) alias: BTreeMap<String, Vec<String>>,
    /// What sorts of values columns must be for, for the preset to be recognised.
    #[serde(default)]
    pub(super) types: BTreeMap<String, Vec<TypeClass>>,
    /// Columns that must not be there, for the preset to be recognised.
    #[serde(default)]
    pub(super) absent: Vec<String>,
    /// Tables that speak for the preset.
    #[serde(default)]
    pub(super) neighbours: Vec<String>,
    /// Whether the mapping is one for each group of columns (`{provider}`).
    #[serde(default)]
    pub(super) groups: bool,
    /// What its users should know.
    #[serde(default)]
    pub(super) notes: Vec<String>,
}

/// A sort of values, as far as presets are told apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TypeClass {
    Integer,
    Text,
    Uuid,
}

impl TypeClass {
    pub(super) const fn is(self, kind: ColumnKind) -> bool {
        matches!(
            (self, kind),
            (Self::Integer, ColumnKind::Integer)
                | (Self::Text, ColumnKind::Text)
                | (Self::Uuid, ColumnKind::Uuid)
        )
    }
}

impl PresetFile {
    pub(super) fn from_toml(text: &str) -> Result<Self, MappingError> {
        read_toml(text).map(|(file, _)| file)
    }
}

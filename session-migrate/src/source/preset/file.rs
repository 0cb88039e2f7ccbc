//! A preset's file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::source::mapping::{Mapping, MappingError, read_toml};
use crate::sql::ColumnKind;

/// A preset's file: a head, and the usual mapping.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetFile {
    pub(super) preset: Head,
    pub(super) mapping: Vec<Mapping>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// Its name in reports.
    pub(super) title: String,
    /// The possible names of the table, the most likely first. A `*` stands for any text.
    pub(super) tables: Vec<String>,
    /// Columns that may be missing, as the mapping spells them.
    #[serde(default)]
    pub(super) optional: Vec<String>,
    /// The possible names of the table of users.
    #[serde(default)]
    pub(super) users: Vec<String>,
    /// Other names of columns.
    #[serde(default)]
    pub(super) alias: BTreeMap<String, Vec<String>>,
    /// Types that columns must have for the preset to be recognised.
    #[serde(default)]
    pub(super) types: BTreeMap<String, Vec<TypeClass>>,
    /// Columns that must not exist for the preset to be recognised.
    #[serde(default)]
    pub(super) absent: Vec<String>,
    /// Whether the project has a unique key on provider and account, where either can be.
    pub(super) has_unique_account: Option<bool>,
    /// Tables whose existence makes the preset more likely.
    #[serde(default)]
    pub(super) neighbours: Vec<String>,
    /// Whether the mapping is repeated for each group of columns (`{provider}`).
    #[serde(default)]
    pub(super) groups: bool,
    /// Remarks for users.
    #[serde(default)]
    pub(super) notes: Vec<String>,
}

/// A class of types that distinguishes presets.
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

//! Known projects: their mappings, adapted to the schema at hand.
//!
//! Each preset is a mapping file in this folder with a head: other names of its tables, columns
//! that may be missing, and what distinguishes it from similar presets.

mod adapt;
mod file;
mod group;
mod matching;

use std::fmt;
use std::str::FromStr;

pub use matching::{Match, Mismatch, Recognition};

use crate::source::mapping::MappingError;
use crate::source::mapping::columns::is_match;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Schema;
use file::PresetFile;

/// A project, or a variant of one, whose schema is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Preset {
    name: &'static str,
    text: &'static str,
}

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        [$(Preset { name: $name, text: include_str!(concat!($name, ".toml")) }),+]
    };
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 13] = presets![
        "openwebui",
        "authjs-pg",
        "authjs-prisma",
        "authjs-drizzle",
        "authjs-typeorm",
        "better-auth",
        "spring",
        "grafana",
        "allauth",
        "python-social-auth",
        "laravel",
        "rails",
        "outline",
    ];

    /// Returns its name on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns its file, as documentation and as a template for other mapping files.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// Adapts the preset's mapping to a schema: tables and columns in their actual spelling,
    /// without missing optional columns, and with the units of the columns' types.
    ///
    /// # Errors
    ///
    /// [`Mismatch`] with the tables and columns that are missing.
    pub fn match_schema(&self, schema: &Schema) -> Result<Match, Mismatch> {
        match self.file() {
            Ok(file) => matching::find_match(self.name, &file, schema),
            Err(error) => Err(Mismatch::broken(self.name, error.to_string())),
        }
    }

    /// Returns whether a table of this name can be the preset's.
    pub(crate) fn names_table(&self, name: &str) -> bool {
        let names = self.file().map(|file| file.preset.tables).unwrap_or_default();
        names.iter().any(|pattern| is_match(&pattern.to_lowercase(), &name.to_lowercase()))
    }

    fn file(&self) -> Result<PresetFile, MappingError> {
        PresetFile::from_toml(self.text)
    }
}

impl FromStr for Preset {
    type Err = SourceError;

    fn from_str(name: &str) -> Result<Self, SourceError> {
        Self::ALL.into_iter().find(|preset| preset.name == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(Self::name).collect();
            SourceError::because(
                SourceErrorKind::UnknownName,
                format!("there is no preset {name:?}; the presets are {}", names.join(", ")),
            )
        })
    }
}

impl fmt::Debug for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Preset({})", self.name)
    }
}

impl Recognition {
    /// Compares every preset with a schema.
    #[must_use]
    pub fn of(schema: &Schema) -> Self {
        let mut recognition = Self::default();
        for preset in Preset::ALL {
            recognition.add(preset.match_schema(schema).and_then(Match::recognised));
        }
        recognition.rank();
        recognition
    }
}

#[cfg(test)]
mod tests {
    use super::Preset;

    #[test]
    fn every_file_can_be_read() {
        for preset in Preset::ALL {
            let file = preset.file().unwrap_or_else(|error| panic!("{}: {error}", preset.name()));
            assert!(!file.preset.tables.is_empty(), "{}", preset.name());
        }
    }
}

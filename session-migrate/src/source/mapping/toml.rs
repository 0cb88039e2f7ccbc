//! Mapping files in TOML, with errors that say where.

use std::fmt;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue, Deserializer};
use serde::de::DeserializeOwned;

use super::{Mappings, check};

impl Mappings {
    /// The mappings that a file holds.
    ///
    /// # Errors
    ///
    /// [`MappingError`] with line, column and the way of keys, if the text is not TOML, has a key
    /// that is not known, a value that cannot be, or parts that do not fit each other.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        let (mappings, table): (Self, _) = read_toml(text)?;
        check::mappings(&mappings)
            .map_err(|part| error_at(text, &table, part.path, part.message))?;
        Ok(mappings)
    }

    /// The file for these mappings.
    ///
    /// # Errors
    ///
    /// [`MappingError`] if the mappings could not be read back, because parts do not fit.
    pub fn to_toml(&self) -> Result<String, MappingError> {
        let failed = |path, message| MappingError::new("", 0, path, message);
        check::mappings(self).map_err(|part| failed(part.path, part.message))?;
        ::toml::to_string_pretty(self).map_err(|error| failed(String::new(), error.to_string()))
    }
}

/// A value in TOML, and the document that says where each part of it stands.
pub(crate) fn read_toml<T: DeserializeOwned>(
    text: &str,
) -> Result<(T, Spanned<DeTable<'_>>), MappingError> {
    let failed = |error: ::toml::de::Error, path: String| {
        let at = error.span().map_or(0, |span| span.start);
        MappingError::new(text, at, path, one_line(error.message()))
    };
    let table = DeTable::parse(text).map_err(|error| failed(error, String::new()))?;
    let read = serde_path_to_error::deserialize(Deserializer::from(table.clone()));
    let value = read.map_err(|error| {
        let path = error.path().to_string();
        failed(error.into_inner(), if path == "." { String::new() } else { path })
    })?;
    Ok((value, table))
}

/// What is wrong with the value at the end of a way of keys, which is of the right form.
pub(crate) fn error_at(
    text: &str,
    table: &Spanned<DeTable<'_>>,
    path: String,
    message: String,
) -> MappingError {
    MappingError::new(text, offset(table, &path), path, message)
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Where the value at the end of a way of keys stands; as far as the way leads.
fn offset(table: &Spanned<DeTable<'_>>, path: &str) -> usize {
    let mut at = table.span().start;
    let mut items: Option<&DeValue<'_>> = None;
    let mut keys: Option<&DeTable<'_>> = Some(table.get_ref());
    for step in path.split(['.', '[']) {
        let next = match step.strip_suffix(']') {
            Some(number) => items
                .and_then(DeValue::as_array)
                .zip(number.parse::<usize>().ok())
                .and_then(|(array, number)| array.get(number)),
            None => keys.and_then(|table| table.get(step)),
        };
        let Some(next) = next else { break };
        at = next.span().start;
        items = Some(next.get_ref());
        keys = next.get_ref().as_table();
    }
    at
}

/// A file of mappings, or of a cap's limits, says something that cannot be.
///
/// It names the place by line, column and the way of keys, and says what would be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    line: usize,
    column: usize,
    path: String,
    message: String,
}

impl MappingError {
    pub(super) fn new(text: &str, at: usize, path: String, message: String) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).map_or(0, |rest| rest.chars().count()) + 1;
        Self { line: before.matches('\n').count() + 1, column, path, message }
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// The way of keys, such as `mapping[0].tokens.access`; empty where the text is not TOML.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong, and what is allowed.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for MappingError {}

//! Mapping files in TOML, and errors with their position.

use std::fmt;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue, Deserializer};
use serde::de::DeserializeOwned;

use super::{Mappings, check};

impl Mappings {
    /// Parses a mapping file.
    ///
    /// # Errors
    ///
    /// [`MappingError`] with line, column and path of keys, if the text is not TOML, or has an
    /// unknown key, an invalid value, or parts that do not match each other.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        let (mappings, table): (Self, _) = read_toml(text)?;
        check::mappings(&mappings)
            .map_err(|part| error_at(text, &table, part.path, part.message))?;
        Ok(mappings)
    }

    /// Writes these mappings as a file.
    ///
    /// # Errors
    ///
    /// [`MappingError`] if the mappings are invalid and could not be read back.
    pub fn to_toml(&self) -> Result<String, MappingError> {
        let failed = |path, message| MappingError::new("", 0, path, message);
        check::mappings(self).map_err(|part| failed(part.path, part.message))?;
        ::toml::to_string_pretty(self).map_err(|error| failed(String::new(), error.to_string()))
    }
}

/// Parses a value in TOML; returns it with the document that has the position of each part.
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

/// Returns the error of a part that parsed, by its path of keys.
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

/// Returns the position of the value at a path of keys, or of the last part of the path that
/// exists.
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

/// A mapping file, or a file of a cap's limits, is invalid.
///
/// It has line, column and path of keys, and says what is allowed.
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

    /// Returns the line, counted from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Returns the column in characters, counted from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// Returns the path of keys, such as `mapping[0].tokens.access`; empty where the text is not
    /// TOML.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong, and what is allowed.
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

use std::fmt;

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

//! A value as the database stores it.

use std::borrow::Cow;
use std::fmt;

/// A stored value with its storage class.
///
/// SQLite keeps a fraction in a column of integers as `REAL`, and a text without UTF-8 as text:
/// both come back as they are, so that what is written back later is what was read.
///
/// # Security
///
/// `Debug` prints the class and the size, never the value: a cell may be a token.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// SQL's `NULL`.
    Null,
    /// A whole number; truth values are 0 and 1.
    Integer(i64),
    /// A floating-point number; on SQLite, `REAL` in any column.
    Real(f64),
    /// Text, and every type that has only a text form here: UUIDs, times, decimals, JSON.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text of SQLite that is not UTF-8.
    MalformedText(Vec<u8>),
}

impl Cell {
    /// Converts bytes to text, or to [`MalformedText`](Self::MalformedText) if they are not UTF-8.
    #[must_use]
    pub fn from_text_bytes(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes)
            .map_or_else(|error| Self::MalformedText(error.into_bytes()), Self::Text)
    }

    /// Returns whether it is `NULL`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns whether it is `NULL`, an empty text or no bytes, which applications store for
    /// "none".
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) | Self::MalformedText(bytes) => bytes.is_empty(),
            Self::Integer(_) | Self::Real(_) => false,
        }
    }

    /// Returns the value as text, for names and ids; `None` for `NULL` and for bytes that are not
    /// UTF-8.
    ///
    /// ```
    /// use session_migrate::source::Cell;
    ///
    /// assert_eq!(Cell::Integer(7).as_text().as_deref(), Some("7"));
    /// assert_eq!(Cell::Null.as_text(), None);
    /// ```
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null | Self::MalformedText(_) => None,
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            Self::Real(number) => Some(Cow::Owned(number.to_string())),
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        }
    }

    /// Returns the bytes of a text or of bytes, for codecs; `None` for numbers and `NULL`.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) | Self::MalformedText(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the storage class, by SQLite's names.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "integer",
            Self::Real(_) => "real",
            Self::Text(_) | Self::MalformedText(_) => "text",
            Self::Bytes(_) => "blob",
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_bytes() {
            Some(bytes) => write!(f, "Cell({}, {} bytes)", self.class(), bytes.len()),
            None => write!(f, "Cell({})", self.class()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cell;

    #[test]
    fn debug_prints_no_value() {
        let secret = "hunter2".to_owned();
        let cells = [
            Cell::Text(secret.clone()),
            Cell::Bytes(secret.into_bytes()),
            Cell::Integer(4711),
            Cell::Real(4711.5),
        ];
        let text = format!("{cells:?}");
        assert!(!text.contains("hunter2") && !text.contains("4711"), "{text}");
        assert!(text.contains("Cell(text, 7 bytes)"), "{text}");
    }

    #[test]
    fn text_that_is_none_is_kept() {
        let cell = Cell::from_text_bytes(vec![0xff, 0xfe]);
        assert_eq!(cell, Cell::MalformedText(vec![0xff, 0xfe]));
        assert_eq!(cell.as_text(), None);
    }
}

//! The key of a row.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::sql::Cell;

/// Identifies a row within its mapping: the values of its key or, without a key, a digest of its
/// content.
///
/// # Security
///
/// A key can be a cookie (as in Open WebUI). `Debug` does not print it; `Display` does, for reports
/// that are as confidential as the source.
#[derive(Clone, PartialEq)]
pub struct SourceKey(Vec<Cell>);

impl SourceKey {
    pub(crate) const fn new(cells: Vec<Cell>) -> Self {
        Self(cells)
    }

    /// Creates the key of a row that is identified by its content.
    pub(crate) fn of_content(cells: &[Cell]) -> Self {
        let digest = Sha256::digest(canonical(cells));
        Self(vec![Cell::Bytes(digest.to_vec())])
    }

    /// Returns the key's values.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.0
    }

    /// Returns bytes that differ wherever two keys differ, from which ids are derived.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        canonical(&self.0)
    }
}

/// Encodes each value with its class and length, so that no two lists give the same bytes.
fn canonical(cells: &[Cell]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in cells {
        let content = match cell {
            Cell::Null => Vec::new(),
            Cell::Integer(number) => number.to_be_bytes().to_vec(),
            Cell::Real(number) => number.to_bits().to_be_bytes().to_vec(),
            Cell::Text(text) => text.as_bytes().to_vec(),
            Cell::Bytes(bytes) | Cell::MalformedText(bytes) => bytes.clone(),
        };
        bytes.extend_from_slice(cell.class().as_bytes());
        bytes.extend_from_slice(&(content.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&content);
    }
    bytes
}

fn shown(cell: &Cell) -> String {
    match (cell.as_text(), cell.as_bytes()) {
        (Some(text), _) => text.into_owned(),
        (None, Some(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        (None, None) => "NULL".to_owned(),
    }
}

impl fmt::Display for SourceKey {
    /// Writes a single value as it is, several as a JSON array of texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => f.write_str(&shown(only)),
            several => {
                let values: Vec<String> = several.iter().map(shown).collect();
                f.write_str(&serde_json::Value::from(values).to_string())
            }
        }
    }
}

impl fmt::Debug for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceKey({} values)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::SourceKey;
    use crate::sql::Cell;

    fn texts(texts: &[&str]) -> SourceKey {
        SourceKey::new(texts.iter().map(|text| Cell::Text((*text).to_owned())).collect())
    }

    #[test]
    fn no_two_keys_give_the_same_bytes() {
        assert_ne!(texts(&["ab", "c"]).canonical(), texts(&["a", "bc"]).canonical());
        let one = SourceKey::new(vec![Cell::Integer(1)]);
        assert_ne!(one.canonical(), texts(&["1"]).canonical());
        assert_eq!(texts(&["a"]).canonical(), texts(&["a"]).canonical());
    }

    #[test]
    fn a_key_is_shown_but_not_by_debug() {
        assert_eq!(texts(&["s3cret"]).to_string(), "s3cret");
        assert_eq!(texts(&["google", "1\"2"]).to_string(), r#"["google","1\"2"]"#);
        assert_eq!(format!("{:?}", texts(&["s3cret"])), "SourceKey(1 values)");
    }
}

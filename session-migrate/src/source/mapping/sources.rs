//! Where a value comes from: a column, a path into its JSON, or a constant; and the row filter.

use serde::{Deserialize, Serialize};

/// Where a value is: a column of the table or of a joined table, with a path into its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ColumnPath {
    /// The column's name, in the database's own spelling.
    pub column: String,
    /// The name of the join whose table it belongs to; none for the mapped table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// The path into the column's JSON, from the outermost name inwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}

impl ColumnPath {
    /// Creates the path of a column of the mapped table.
    pub fn column(name: impl Into<String>) -> Self {
        Self { column: name.into(), join: None, path: Vec::new() }
    }
}

/// Where a token is, and how it is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenSource {
    /// The column's name, in the database's own spelling.
    pub column: String,
    /// The name of the join whose table it belongs to; none for the mapped table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// The path into the column's JSON, from the outermost name inwards. For a whole token
    /// response, the path to its object in the decrypted value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The codec: `plain`, `fernet`, `better-auth`, `outline`, `laravel`, `grafana`, or one that
    /// the program adds.
    #[serde(default = "plain", skip_serializing_if = "is_plain")]
    pub codec: String,
}

fn plain() -> String {
    "plain".to_owned()
}

fn is_plain(codec: &str) -> bool {
    codec == "plain"
}

impl TokenSource {
    /// Creates the source of an unencrypted token in a column of the mapped table.
    pub fn column(name: impl Into<String>) -> Self {
        Self { column: name.into(), join: None, path: Vec::new(), codec: plain() }
    }

    /// Returns where the token is, without how it is encrypted.
    #[must_use]
    pub fn column_path(&self) -> ColumnPath {
        ColumnPath { column: self.column.clone(), join: self.join.clone(), path: self.path.clone() }
    }
}

/// Where the provider's name comes from: a column or a constant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProviderSource {
    /// The column's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The name of the join whose table the column belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// The name itself, for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
}

/// Where a value comes from: a column or a constant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ValueSource {
    /// The column's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The name of the join whose table the column belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// The path into the column's JSON.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The value itself, for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
}

/// A condition that a row must meet to be part of the source; of several, all must be met.
///
/// ```toml
/// filter = [
///     { column = "providerId", is = "not_equal", value = "credential" },
///     { column = "accessToken", is = "not_null" },
/// ]
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The column's name, in the database's own spelling.
    pub column: String,
    /// The name of the join whose table it belongs to; none for the mapped table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// How the value is tested.
    pub is: Test,
    /// For `equal` and `not_equal`: the value to compare with, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<FilterValue>,
    /// For `one_of` and `none_of`: the values to compare with, byte for byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<FilterValue>,
}

/// How a filter tests a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Test {
    /// It is `value`.
    Equal,
    /// It is not `value`. `NULL` passes.
    NotEqual,
    /// It is one of `values`.
    OneOf,
    /// It is none of `values`. `NULL` passes.
    NoneOf,
    /// It is `NULL`.
    Null,
    /// It is not `NULL`.
    NotNull,
}

/// A value to compare a column with: a text, a whole number, or true or false.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected a text, a whole number, or true or false")]
pub enum FilterValue {
    /// True or false; in columns of numbers, 1 or 0.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

use serde::{Deserialize, Serialize};

/// A test that a row must pass to be part of the source; several must all be passed.
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
    /// The name of the join whose table it belongs to; the mapped table's where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// What is asked of the value.
    pub is: Test,
    /// With `equal` and `not_equal`: what it is compared with, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<FilterValue>,
    /// With `one_of` and `none_of`: what it is compared with, byte for byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<FilterValue>,
}

/// What a filter asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Test {
    /// It is `value`.
    Equal,
    /// It is not `value`. `NULL` passes: a row without the value is not one with it.
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

/// What a column is compared with: a text, a whole number, or true or false.
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

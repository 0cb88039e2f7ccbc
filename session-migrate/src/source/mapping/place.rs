use serde::{Deserialize, Serialize};

/// Where a value lies: a column of the table, or of a joined one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The column's name, in the database's own spelling.
    pub column: String,
    /// The name of the join whose table it belongs to; the mapped table's where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// The way into the column's JSON, from the outermost name inwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
}

impl Place {
    /// This column of the mapped table.
    pub fn column(name: impl Into<String>) -> Self {
        Self { column: name.into(), join: None, path: Vec::new() }
    }
}

/// Where a token lies, and how it is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenPlace {
    /// The column's name, in the database's own spelling.
    pub column: String,
    /// The name of the join whose table it belongs to; the mapped table's where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// The way into the column's JSON, from the outermost name inwards. For a whole token
    /// response, the way to its object in what the codec opened.
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

impl TokenPlace {
    /// A plain token in this column of the mapped table.
    pub fn column(name: impl Into<String>) -> Self {
        Self { column: name.into(), join: None, path: Vec::new(), codec: plain() }
    }

    /// Where it lies, without how it is encrypted.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { column: self.column.clone(), join: self.join.clone(), path: self.path.clone() }
    }
}

//! The mapping of one table.

use serde::{Deserialize, Serialize};

use super::{ColumnPath, Filter, ProviderSource, TimeSource, TokenSource, ValueSource};

/// The mappings of a source, as a file holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mappings {
    /// One mapping for each table, or for each group of columns of a table.
    pub mapping: Vec<Mapping>,
}

/// Where one table keeps its token sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Tells this mapping's rows from those of another mapping of the same table. The default is
    /// the table's name. A row's new id is derived from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The table's name.
    pub table: String,
    /// The table's schema, where it is not the connection's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The columns of the key. Without a key, a row is identified by its content, and the table
    /// cannot be moved online.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The application's id of the user.
    pub user: ColumnPath,
    /// The name of the OAuth client registration.
    pub provider: ProviderSource,
    /// The provider's id of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<ColumnPath>,
    /// The OAuth client that the tokens were issued to, where a provider has several. Each has its
    /// own grants, so a cap counts them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ColumnPath>,
    /// Providers of OAuth 1, whose tokens OAuth 2.0 cannot use: their rows are set aside as they
    /// are. A `*` stands for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oauth1_providers: Vec<String>,
    /// The tokens.
    pub tokens: TokenSources,
    /// When the access token expires: the first of these columns that holds a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expires: Vec<TimeSource>,
    /// When the row was created, which is when the user signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<TimeSource>,
    /// When the tokens were last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<TimeSource>,
    /// When the tokens were last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<TimeSource>,
    /// Which of the three times decides which of two rows is newer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_by: Option<NewestBy>,
    /// The conditions that a row must meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Filter>,
    /// The cookie that refers to the row, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Cookie>,
    /// Tables that must have a parent row; without it, this row is an orphan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent: Vec<Parent>,
    /// Tables that have further columns of the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<Join>,
    /// Issuer, subject and `sid`, where they do not come from the tokens.
    #[serde(default, skip_serializing_if = "IdentitySources::is_none")]
    pub identity: IdentitySources,
}

impl Mapping {
    /// Returns the name, or the table's name without one.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.table)
    }
}

/// Where the tokens are: a whole token response as JSON, or a column for each token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenSources {
    /// A JSON object with the fields of a token response (RFC 6749, section 5.1); unknown ones
    /// are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<TokenSource>,
    /// The access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<TokenSource>,
    /// The refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<TokenSource>,
    /// The ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<TokenSource>,
    /// The granted scope, separated by spaces or commas, or an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ColumnPath>,
    /// The token's type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub token_type: Option<TokenSource>,
}

/// Which time decides which of two rows is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NewestBy {
    /// When the row was created.
    Created,
    /// When the tokens were last renewed.
    Renewed,
    /// When the tokens were last used.
    Used,
}

/// A cookie whose value is in a column of the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cookie {
    /// The column with the cookie's value.
    pub column: String,
    /// Providers whose rows have no cookie. A `*` stands for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except_providers: Vec<String>,
}

/// A table that must have a row for each mapped row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// The parent's table.
    pub table: String,
    /// The table's schema, where it is not the connection's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The parent's column.
    pub column: String,
    /// The column that refers to it. The default is the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ColumnPath>,
}

/// A table that has at most one row for each mapped row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The name by which columns refer to this join.
    pub name: String,
    /// Its table.
    pub table: String,
    /// The table's schema, where it is not the connection's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its column, which must be unique.
    pub column: String,
    /// The column that refers to it, of the mapped table or of a join before this one.
    pub on: ColumnPath,
}

/// Where issuer, subject and `sid` come from. Without a source, or without a value in it, they come
/// from the response's `userinfo`, or else from the ID token's payload, unverified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IdentitySources {
    /// The issuer that signed the user in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<ValueSource>,
    /// The issuer's id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<ValueSource>,
    /// The provider's id of its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<ValueSource>,
}

impl IdentitySources {
    /// Returns whether no source is given.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.issuer.is_none() && self.subject.is_none() && self.sid.is_none()
    }
}

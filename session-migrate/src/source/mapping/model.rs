use serde::{Deserialize, Serialize};

use super::{ColumnPath, Filter, ProviderSource, TimeSource, TokenSource, ValueSource};

/// The mappings of a source, as a file holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mappings {
    /// Each a table, or a group of columns of one.
    pub mapping: Vec<Mapping>,
}

/// Where the token sets of one table lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Tells this mapping's rows from those of another one on the same table; the table's name
    /// where it is not given. It is part of what a row's new id is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The table's name.
    pub table: String,
    /// The schema that the table lies in, where it is not the connection's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The columns that tell the rows apart. None if there are none: then a row is known by its
    /// content, and cannot be moved while it is being written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The application's id of the user.
    pub user: ColumnPath,
    /// The name of the OAuth client registration.
    pub provider: ProviderSource,
    /// By what the provider knows the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<ColumnPath>,
    /// The tokens.
    pub tokens: TokenSources,
    /// When the access token expires: the first place that holds a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expires: Vec<TimeSource>,
    /// When the row, and with it the sign-in, came to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<TimeSource>,
    /// When the tokens were last renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed: Option<TimeSource>,
    /// When the tokens were last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<TimeSource>,
    /// Which of the three moments makes a row the newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_by: Option<NewestBy>,
    /// The tests that a row must pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Filter>,
    /// The cookie that points at the row, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Cookie>,
    /// Tables of which a row must be there, or this one is an orphan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent: Vec<Parent>,
    /// Tables that have more of the row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<Join>,
    /// Issuer, subject and `sid`, where they do not come from the tokens.
    #[serde(default, skip_serializing_if = "IdentitySources::is_none")]
    pub identity: IdentitySources,
}

impl Mapping {
    /// The name, or the table's.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.table)
    }
}

/// The tokens' places: a whole token response as JSON, or one place each.
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
    /// The granted scope, parted by spaces or commas, or an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ColumnPath>,
    /// The token's type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub token_type: Option<TokenSource>,
}

/// Which moment makes a row the newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NewestBy {
    /// When the row came to be.
    Created,
    /// When the tokens were last renewed.
    Renewed,
    /// When the tokens were last used.
    Used,
}

/// A cookie whose value is a column of the row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cookie {
    /// The column that equals the cookie's value.
    pub column: String,
    /// Providers whose rows no cookie points at. A `*` stands for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except_providers: Vec<String>,
}

/// A table of which one row must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// The parent's table.
    pub table: String,
    /// The schema that it lies in, where it is not the connection's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The parent's column.
    pub column: String,
    /// What refers to it; the user where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ColumnPath>,
}

/// A table that has one more row, or none, for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// By what places name it.
    pub name: String,
    /// Its table.
    pub table: String,
    /// The schema that the table lies in, where it is not the connection's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its column, which must be unique.
    pub column: String,
    /// What refers to it: a column of the mapped table, or of a join before this one.
    pub on: ColumnPath,
}

/// Where issuer, subject and `sid` come from. Without a source, or where it has no value, they
/// come from the response's `userinfo`, and else from the ID token's payload, unverified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IdentitySources {
    /// Who signed the person in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<ValueSource>,
    /// As whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<ValueSource>,
    /// In which session at the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<ValueSource>,
}

impl IdentitySources {
    /// Whether it says nothing.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.issuer.is_none() && self.subject.is_none() && self.sid.is_none()
    }
}

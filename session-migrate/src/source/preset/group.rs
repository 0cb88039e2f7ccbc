//! Groups of columns in one table, one for each provider: `github_id`, `github_token`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::source::mapping::{Mapping, ProviderSource};
use crate::sql::Table;

const PLACEHOLDER: &str = "{provider}";

/// Alternative endings of a group's columns, after the provider's name; the template's comes first.
const SPELLINGS: [&[&str]; 2] = [
    &["_token", "_access_token"],
    &["_token_expires_at", "_access_token_expires_at", "_expires_at", "_token_expires"],
];

/// Prefixes of `_token` columns that are not providers.
const NOT_PROVIDERS: [&str; 10] = [
    "remember",
    "api",
    "access",
    "refresh",
    "reset",
    "reset_password",
    "confirmation",
    "invitation",
    "verification",
    "push",
];

/// Returns the template for each group of the table.
pub(super) fn mappings(templates: &[Mapping], table: &Table) -> Vec<Mapping> {
    let mut found = Vec::new();
    for provider in providers(table) {
        for template in templates {
            let Some(mapping) = filled(template, provider, table) else { continue };
            found.push(with_column(mapping, provider, table));
        }
    }
    found
}

/// Returns the prefixes of groups: those of a token with an id or a refresh token beside it.
fn providers<'a>(table: &'a Table) -> BTreeSet<&'a str> {
    let has = |name: String| table.column(&name).is_some();
    let is_group = |provider: &&'a str| {
        let is_whole = has(format!("{provider}_id")) || has(format!("{provider}_refresh_token"));
        is_whole && !NOT_PROVIDERS.contains(provider)
    };
    let names = table.columns.iter().map(|column| column.name.as_str());
    let begins = names.filter_map(|name| {
        name.strip_suffix("_access_token").or_else(|| name.strip_suffix("_token"))
    });
    begins.filter(is_group).collect()
}

/// Fills the template with the provider's name and the table's column names.
fn filled(template: &Mapping, provider: &str, table: &Table) -> Option<Mapping> {
    let mut value = serde_json::to_value(template).ok()?;
    fill(&mut value, provider, table);
    serde_json::from_value(value).ok()
}

fn fill(value: &mut Value, provider: &str, table: &Table) {
    match value {
        Value::String(text) => *text = spelled(text, provider, table),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, provider, table)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| fill(field, provider, table));
        }
        _ => {}
    }
}

fn spelled(text: &str, provider: &str, table: &Table) -> String {
    let name = text.replace(PLACEHOLDER, provider);
    let Some(end) = text.strip_prefix(PLACEHOLDER) else { return name };
    let spellings = SPELLINGS.iter().find(|spellings| spellings.first() == Some(&end));
    let names = spellings.into_iter().flat_map(|ends| ends.iter());
    let mut names = names.map(|end| format!("{provider}{end}"));
    names.find(|name| table.column(name).is_some()).unwrap_or(name)
}

/// Takes the provider from a column where the group's prefix is generic, such as `provider`.
fn with_column(mut mapping: Mapping, provider: &str, table: &Table) -> Mapping {
    let names = [provider.to_owned(), format!("{provider}_name"), "provider".to_owned()];
    let is_generic = matches!(provider, "provider" | "oauth" | "social" | "socialite");
    let column = names.into_iter().find(|name| table.column(name).is_some());
    if let Some(column) = column.filter(|_| is_generic) {
        mapping.provider = ProviderSource { column: Some(column), join: None, constant: None };
    }
    mapping
}

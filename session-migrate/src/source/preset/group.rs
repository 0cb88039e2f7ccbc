//! Groups of columns on one table, each a provider's: `github_id`, `github_token`.

use crate::source::mapping::{Mapping, Place, ProviderSource};
use crate::source::schema::Table;

const PLACEHOLDER: &str = "{provider}";

/// Columns that end in `_token` and are no provider's.
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

/// The template for each group of the table.
pub(super) fn mappings(templates: &[Mapping], table: &Table) -> Vec<Mapping> {
    let mut found = Vec::new();
    for provider in providers(table) {
        for template in templates {
            let Some(mapping) = filled(template, provider) else { continue };
            found.push(with_column(mapping, provider, table));
        }
    }
    found
}

/// The prefixes of groups: a token, and an id or a refresh token beside it.
fn providers(table: &Table) -> Vec<&str> {
    let has = |name: String| table.column(&name).is_some();
    let prefix =
        |name: &'_ str| -> Option<String> { Some(name.strip_suffix("_token")?.to_owned()) };
    let columns = table.columns.iter().map(|column| column.name.as_str());
    columns
        .filter(|name| {
            prefix(name).is_some_and(|prefix| {
                let is_group =
                    has(format!("{prefix}_id")) || has(format!("{prefix}_refresh_token"));
                is_group && !NOT_PROVIDERS.contains(&prefix.as_str())
            })
        })
        .filter_map(|name| name.strip_suffix("_token"))
        .collect()
}

/// The template with the provider's name in every text of it.
fn filled(template: &Mapping, provider: &str) -> Option<Mapping> {
    let mut value = serde_json::to_value(template).ok()?;
    fill(&mut value, provider);
    serde_json::from_value(value).ok()
}

fn fill(value: &mut serde_json::Value, provider: &str) {
    match value {
        serde_json::Value::String(text) => *text = text.replace(PLACEHOLDER, provider),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| fill(item, provider)),
        serde_json::Value::Object(fields) => {
            fields.values_mut().for_each(|field| fill(field, provider));
        }
        _ => {}
    }
}

/// Where the group itself is called `provider` (`provider_id`, `provider_token`), a column of that
/// name has the provider of each row.
fn with_column(mut mapping: Mapping, provider: &str, table: &Table) -> Mapping {
    let names = [provider.to_owned(), format!("{provider}_name")];
    let is_generic = matches!(provider, "provider" | "oauth" | "social" | "socialite");
    let column = names.into_iter().find(|name| table.column(name).is_some());
    if let Some(column) = column.filter(|_| is_generic) {
        let column = Place::column(column).column;
        mapping.provider = ProviderSource { column: Some(column), join: None, constant: None };
    }
    mapping
}

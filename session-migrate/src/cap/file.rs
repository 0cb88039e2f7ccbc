//! Reads a cap's limits from a TOML policy file.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::Deserialize;
use session_core::SessionPolicy;
use session_core::policy::{PolicyBuilder, Rule};

use super::settings::Cap;
use crate::source::{MappingError, error_at, read_toml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    max_sessions: Option<NonZeroU32>,
    replace: Option<bool>,
    unlimited: Option<bool>,
    #[serde(default)]
    rule: Vec<RuleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    provider: String,
    max_sessions: Option<NonZeroU32>,
    replace: Option<bool>,
    unlimited: Option<bool>,
}

/// A limit as it is written in the file.
enum Written {
    AtMost(NonZeroU32),
    Replace,
    Unlimited,
}

/// The path of keys to a mistake, and what is wrong there.
type PolicyMistake = (String, String);

impl Cap {
    /// Creates a cap with the limits of a policy file; everything else is as in [`Cap::from_policy`].
    ///
    /// ```
    /// use session_core::policy::Limit;
    /// use session_core::ProviderName;
    /// use session_migrate::cap::Cap;
    ///
    /// let cap = Cap::from_toml(
    ///     r#"
    ///     max_sessions = 10
    ///
    ///     [[rule]]
    ///     provider = "mcp:*"
    ///     replace = true
    ///     "#,
    /// )
    /// .unwrap();
    /// assert_eq!(cap.limit(&ProviderName::new("mcp:docs").unwrap()), Limit::Replace);
    ///
    /// let error = Cap::from_toml("max_sessions = 0").unwrap_err();
    /// assert_eq!((error.line(), error.column(), error.path()), (1, 16, "max_sessions"));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a [`MappingError`] with line, column and the path of keys if the text is not TOML, has
    /// an unknown key, or does not set exactly one limit in each place.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        let (file, table): (PolicyFile, _) = read_toml(text)?;
        let policy = policy(&file);
        policy
            .map(|policy| Self::from_policy(policy).with_file(text))
            .map_err(|(path, message)| error_at(text, &table, path, message))
    }
}

fn policy(file: &PolicyFile) -> Result<SessionPolicy, PolicyMistake> {
    let general = written("", file.max_sessions, file.replace, file.unlimited)?;
    let mut builder = match general {
        Written::AtMost(max) => SessionPolicy::builder().max_sessions(max.get()),
        Written::Replace => SessionPolicy::builder().replace(),
        Written::Unlimited => SessionPolicy::builder().unlimited(),
    };
    let mut patterns = BTreeSet::new();
    for (at, entry) in file.rule.iter().enumerate() {
        let path = format!("rule[{at}]");
        check_pattern(&path, &entry.provider)?;
        if !patterns.insert(entry.provider.as_str()) {
            let message = format!("another rule is for {:?} as well", entry.provider);
            return Err((format!("{path}.provider"), message));
        }
        builder = builder.rule(rule(&path, entry)?);
    }
    build(builder)
}

fn build(builder: PolicyBuilder) -> Result<SessionPolicy, PolicyMistake> {
    builder.build().map_err(|error| (String::new(), error.to_string()))
}

fn rule(path: &str, entry: &RuleEntry) -> Result<Rule, PolicyMistake> {
    let rule = Rule::for_provider(&entry.provider);
    let limit = written(path, entry.max_sessions, entry.replace, entry.unlimited)?;
    Ok(match limit {
        Written::AtMost(max) => rule.max_sessions(max.get()),
        Written::Replace => rule.replace(),
        Written::Unlimited => rule.unlimited(),
    })
}

fn check_pattern(path: &str, pattern: &str) -> Result<(), PolicyMistake> {
    let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
    if pattern.is_empty() || beginning.contains('*') {
        let message = "this must be the name of a provider, or a prefix followed by `*`";
        return Err((format!("{path}.provider"), message.to_owned()));
    }
    Ok(())
}

/// Returns the one limit that is written; none, or more than one, is a mistake.
fn written(
    path: &str,
    max: Option<NonZeroU32>,
    replace: Option<bool>,
    unlimited: Option<bool>,
) -> Result<Written, PolicyMistake> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for (key, said) in [("replace", replace), ("unlimited", unlimited)] {
        if said == Some(false) {
            return Err((below(key), "this can only be `true`; leave it out".to_owned()));
        }
    }
    match (max, replace, unlimited) {
        (Some(max), None, None) => Ok(Written::AtMost(max)),
        (None, Some(_), None) => Ok(Written::Replace),
        (None, None, Some(_)) => Ok(Written::Unlimited),
        _ => Err((
            path.to_owned(),
            "set one of `max_sessions = N`, `replace = true` or `unlimited = true`".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use session_core::ProviderName;
    use session_core::policy::{Limit, OnFull};

    use super::Cap;

    #[test]
    fn the_most_specific_rule_sets_the_limit() {
        let text = "max_sessions = 10\n[[rule]]\nprovider = \"mcp:*\"\nreplace = true\n\
                    [[rule]]\nprovider = \"mcp:jobs\"\nunlimited = true\n\
                    [[rule]]\nprovider = \"okta\"\nmax_sessions = 3\n";
        let cap = Cap::from_toml(text).unwrap();
        let at_most = |max| Limit::AtMost {
            max: NonZeroU32::new(max).unwrap(),
            on_full: OnFull::EvictOldest,
        };
        for (provider, limit) in [
            ("google", at_most(10)),
            ("okta", at_most(3)),
            ("Okta", at_most(10)),
            ("mcp:docs", Limit::Replace),
            ("mcp:jobs", Limit::Unlimited),
        ] {
            assert_eq!(cap.limit(&ProviderName::new(provider).unwrap()), limit, "{provider}");
        }
    }

    #[test]
    fn an_error_has_its_line_and_path() {
        let rule = "max_sessions = 10\n[[rule]]\n";
        let cases = [
            ("max_sessions = ", 1, ""),
            ("", 1, ""),
            ("max_sessions = 0", 1, "max_sessions"),
            ("max_sessions = -1", 1, "max_sessions"),
            ("max_sessions = 1\nmax_session = 2", 2, "max_session"),
            ("max_sessions = 1\nunlimited = true", 1, ""),
            ("\nunlimited = false", 2, "unlimited"),
            (&format!("{rule}replace = true"), 2, "rule[0]"),
            (&format!("{rule}provider = \"a*b\"\nreplace = true"), 3, "rule[0].provider"),
            (&format!("{rule}provider = \"a\""), 2, "rule[0]"),
            (&format!("{rule}provider = \"a\"\nmax_sessions = \"2\""), 4, "rule[0].max_sessions"),
            (
                &format!(
                    "{rule}provider = \"a\"\nreplace = true\n[[rule]]\nprovider = \"a\"\nreplace = true"
                ),
                6,
                "rule[1].provider",
            ),
        ];
        for (text, line, path) in cases {
            let error = Cap::from_toml(text).unwrap_err();
            assert_eq!((error.line(), error.path()), (line, path), "{text}\n{error}");
        }
    }
}

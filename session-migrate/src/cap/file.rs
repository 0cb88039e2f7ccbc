//! A cap's limits in TOML.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::Deserialize;
use session_core::SessionPolicy;
use session_core::policy::{PolicyBuilder, Rule};

use super::settings::Cap;
use crate::source::{MappingError, error_at, read_toml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
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

/// A limit as it is written.
enum Written {
    AtMost(NonZeroU32),
    Replace,
    Unlimited,
}

/// What is wrong, and the way of keys to it.
type Misfit = (String, String);

impl Cap {
    /// The cap with the limits that a policy file gives; the rest is as in [`Cap::from_policy`].
    ///
    /// ```
    /// use session_core::{Limit, ProviderName};
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
    /// [`MappingError`] with line, column and the way of keys, if the text is not TOML, has a key
    /// that is not known, or says no limit or two.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        let (file, table): (File, _) = read_toml(text)?;
        let policy = policy(&file);
        policy
            .map(|policy| Self::from_policy(policy).with_file(text))
            .map_err(|(path, message)| error_at(text, &table, path, message))
    }
}

fn policy(file: &File) -> Result<SessionPolicy, Misfit> {
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
            let message = format!("another rule is for {:?} too", entry.provider);
            return Err((format!("{path}.provider"), message));
        }
        builder = builder.rule(rule(&path, entry)?);
    }
    build(builder)
}

fn build(builder: PolicyBuilder) -> Result<SessionPolicy, Misfit> {
    builder.build().map_err(|error| (String::new(), error.to_string()))
}

fn rule(path: &str, entry: &RuleEntry) -> Result<Rule, Misfit> {
    let rule = Rule::for_provider(&entry.provider);
    let limit = written(path, entry.max_sessions, entry.replace, entry.unlimited)?;
    Ok(match limit {
        Written::AtMost(max) => rule.max_sessions(max.get()),
        Written::Replace => rule.replace(),
        Written::Unlimited => rule.unlimited(),
    })
}

fn check_pattern(path: &str, pattern: &str) -> Result<(), Misfit> {
    let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
    if pattern.is_empty() || beginning.contains('*') {
        let message = "this must be a provider's name, or the beginning of names and a `*`";
        return Err((format!("{path}.provider"), message.to_owned()));
    }
    Ok(())
}

/// The one limit that is written: none would have to be guessed, and of two neither holds.
fn written(
    path: &str,
    max: Option<NonZeroU32>,
    replace: Option<bool>,
    unlimited: Option<bool>,
) -> Result<Written, Misfit> {
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
            "say one of `max_sessions = N`, `replace = true` and `unlimited = true`".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use session_core::policy::OnFull;
    use session_core::{Limit, ProviderName};

    use super::Cap;

    #[test]
    fn the_narrowest_rule_says_the_limit() {
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
    fn an_error_names_its_place() {
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

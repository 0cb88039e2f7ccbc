//! The columns that a mapping names, and how names are compared.

use super::{ColumnPath, Mapping, TimeSource, TokenSource, ValueSource};

/// A column that a mapping names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedColumn<'a> {
    /// The path of keys inside the mapping, such as `tokens.access`.
    pub(crate) path: String,
    pub(crate) column: &'a str,
    pub(crate) join: Option<&'a str>,
}

impl Mapping {
    /// Returns every named column of the mapped table and its joins, without those of parents.
    pub(crate) fn named_columns(&self) -> Vec<NamedColumn<'_>> {
        let mut named = Named(Vec::new());
        for column in &self.key {
            named.add("key", column, None);
        }
        named.place("user", Some(&self.user));
        if let Some(column) = &self.provider.column {
            named.add("provider", column, self.provider.join.as_deref());
        }
        named.place("account", self.account.as_ref());
        named.place("client", self.client.as_ref());
        self.name_tokens(&mut named);
        self.name_moments(&mut named);
        for (at, filter) in self.filter.iter().enumerate() {
            named.add(&format!("filter[{at}]"), &filter.column, filter.join.as_deref());
        }
        if let Some(cookie) = &self.cookie {
            named.add("cookie", &cookie.column, None);
        }
        for (at, parent) in self.parent.iter().enumerate() {
            named.place(&format!("parent[{at}].child"), parent.child.as_ref());
        }
        for (at, join) in self.join.iter().enumerate() {
            named.place(&format!("join[{at}].on"), Some(&join.on));
        }
        named.value("identity.issuer", self.identity.issuer.as_ref());
        named.value("identity.subject", self.identity.subject.as_ref());
        named.value("identity.sid", self.identity.sid.as_ref());
        named.0
    }

    fn name_tokens<'a>(&'a self, named: &mut Named<'a>) {
        let tokens = &self.tokens;
        named.token("tokens.response", tokens.response.as_ref());
        named.token("tokens.access", tokens.access.as_ref());
        named.token("tokens.refresh", tokens.refresh.as_ref());
        named.token("tokens.id", tokens.id.as_ref());
        named.place("tokens.scope", tokens.scope.as_ref());
        named.token("tokens.type", tokens.token_type.as_ref());
    }

    fn name_moments<'a>(&'a self, named: &mut Named<'a>) {
        for (at, time) in self.expires.iter().enumerate() {
            named.moment(&format!("expires[{at}]"), time);
        }
        let moments =
            [("created", &self.created), ("renewed", &self.renewed), ("used", &self.used)];
        for (path, time) in moments {
            if let Some(time) = time {
                named.moment(path, time);
            }
        }
    }
}

struct Named<'a>(Vec<NamedColumn<'a>>);

impl<'a> Named<'a> {
    fn add(&mut self, path: &str, column: &'a str, join: Option<&'a str>) {
        self.0.push(NamedColumn { path: path.to_owned(), column, join });
    }

    fn place(&mut self, path: &str, place: Option<&'a ColumnPath>) {
        if let Some(place) = place {
            self.add(path, &place.column, place.join.as_deref());
        }
    }

    fn token(&mut self, path: &str, place: Option<&'a TokenSource>) {
        if let Some(place) = place {
            self.add(path, &place.column, place.join.as_deref());
        }
    }

    fn moment(&mut self, path: &str, time: &'a TimeSource) {
        self.add(path, &time.column, time.join.as_deref());
        for (at, base) in time.relative_to.iter().enumerate() {
            self.moment(&format!("{path}.relative_to[{at}]"), base);
        }
    }

    fn value(&mut self, path: &str, value: Option<&'a ValueSource>) {
        if let Some(value) = value
            && let Some(column) = &value.column
        {
            self.add(path, column, value.join.as_deref());
        }
    }
}

/// Returns whether a text matches a pattern in which `*` stands for any text.
pub(crate) fn is_match(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter_map(|at| text.get(at..)).any(|tail| is_match(rest, tail))
}

/// Returns a name in lower case without underscores: `providerAccountId` is `provider_account_id`.
pub(crate) fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{folded, is_match};

    #[test]
    fn a_star_stands_for_any_text() {
        for text in ["mcp:", "mcp:docs", "mcp:é"] {
            assert!(is_match("mcp:*", text), "{text}");
        }
        for text in ["mcp", "MCP:docs", "xmcp:docs", "google"] {
            assert!(!is_match("mcp:*", text), "{text}");
        }
        assert!(is_match("a*b*c", "a-b-b-c") && !is_match("a*b*c", "a-c"));
        assert!(is_match("google", "google") && !is_match("google", "google "));
    }

    #[test]
    fn spellings_of_a_name_are_one() {
        assert_eq!(folded("providerAccountId"), folded("provider_account_id"));
        assert_ne!(folded("provider"), folded("providerId"));
    }
}

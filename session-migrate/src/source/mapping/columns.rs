//! Every column that a mapping names, and where it does.

use super::{Mapping, Place, TimePlace, TokenPlace, ValueSource};

/// A column that a mapping names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedColumn<'a> {
    /// The way of keys inside the mapping, such as `tokens.access`.
    pub(crate) path: String,
    pub(crate) column: &'a str,
    pub(crate) join: Option<&'a str>,
}

impl Mapping {
    /// Every column of the mapped table and its joins that this names; parents' apart.
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

    fn place(&mut self, path: &str, place: Option<&'a Place>) {
        if let Some(place) = place {
            self.add(path, &place.column, place.join.as_deref());
        }
    }

    fn token(&mut self, path: &str, place: Option<&'a TokenPlace>) {
        if let Some(place) = place {
            self.add(path, &place.column, place.join.as_deref());
        }
    }

    fn moment(&mut self, path: &str, time: &'a TimePlace) {
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

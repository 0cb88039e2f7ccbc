//! Checks that serde cannot make: that the parts of a mapping match each other.

use super::{
    Filter, Mapping, Mappings, NewestBy, ProviderSource, Test, TimeSource, TokenSources, Unit,
    ValueSource,
};

/// An invalid part of a mapping, and its path of keys.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidPart {
    pub(super) path: String,
    pub(super) message: String,
}

fn invalid(path: impl Into<String>, message: impl Into<String>) -> InvalidPart {
    InvalidPart { path: path.into(), message: message.into() }
}

pub(super) fn mappings(mappings: &Mappings) -> Result<(), InvalidPart> {
    if mappings.mapping.is_empty() {
        return Err(invalid("mapping", "at least one mapping is needed"));
    }
    let mut names = Vec::new();
    for (at, mapping) in mappings.mapping.iter().enumerate() {
        let here = format!("mapping[{at}]");
        let name = mapping.name();
        if names.contains(&name) {
            let message = format!("two mappings are called {name:?}: give each its own `name`");
            return Err(invalid(here, message));
        }
        names.push(name);
        one(mapping).map_err(|inner| invalid(format!("{here}.{}", inner.path), inner.message))?;
    }
    Ok(())
}

fn one(mapping: &Mapping) -> Result<(), InvalidPart> {
    names(mapping)?;
    joins(mapping)?;
    provider(&mapping.provider)?;
    tokens(&mapping.tokens)?;
    moments(mapping)?;
    for (at, filter) in mapping.filter.iter().enumerate() {
        test(filter).map_err(|message| invalid(format!("filter[{at}]"), message))?;
    }
    let identity = &mapping.identity;
    let values =
        [("issuer", &identity.issuer), ("subject", &identity.subject), ("sid", &identity.sid)];
    for (key, value) in values {
        if let Some(value) = value {
            source(value).map_err(|message| invalid(format!("identity.{key}"), message))?;
        }
    }
    Ok(())
}

fn names(mapping: &Mapping) -> Result<(), InvalidPart> {
    if mapping.table.is_empty() {
        return Err(invalid("table", "this must be a table's name"));
    }
    if let Some(named) = mapping.named_columns().into_iter().find(|named| named.column.is_empty()) {
        return Err(invalid(named.path, "this must be a column's name"));
    }
    // The database compares and counts names, and does not look into JSON for it.
    let places = [
        ("user", Some(&mapping.user)),
        ("account", mapping.account.as_ref()),
        ("client", mapping.client.as_ref()),
    ];
    for (key, place) in places {
        if place.is_some_and(|place| !place.path.is_empty()) {
            return Err(invalid(key, "this must be a column, without `path`"));
        }
    }
    Ok(())
}

/// Checks that every named join exists. A join may refer to those before it.
fn joins(mapping: &Mapping) -> Result<(), InvalidPart> {
    let mut known: Vec<&str> = Vec::new();
    for (at, join) in mapping.join.iter().enumerate() {
        let here = format!("join[{at}]");
        is_known(join.on.join.as_deref(), &known, &format!("{here}.on"))?;
        if known.contains(&join.name.as_str()) || join.name.is_empty() {
            return Err(invalid(here, "each join needs a unique name"));
        }
        known.push(&join.name);
    }
    for named in mapping.named_columns() {
        is_known(named.join, &known, &named.path)?;
    }
    Ok(())
}

fn is_known(name: Option<&str>, known: &[&str], path: &str) -> Result<(), InvalidPart> {
    let Some(name) = name.filter(|name| !known.contains(name)) else { return Ok(()) };
    let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(invalid(path, format!("there is no join {name:?}; the joins before this are: {there}")))
}

fn provider(provider: &ProviderSource) -> Result<(), InvalidPart> {
    match (&provider.column, &provider.constant) {
        (Some(_), None) => Ok(()),
        (None, Some(name)) if !name.is_empty() && provider.join.is_none() => Ok(()),
        _ => {
            Err(invalid("provider", "give either `column` (with or without `join`) or `constant`"))
        }
    }
}

fn source(value: &ValueSource) -> Result<(), &'static str> {
    match (&value.column, &value.constant) {
        (Some(_), None) => Ok(()),
        (None, Some(_)) if value.join.is_none() && value.path.is_empty() => Ok(()),
        _ => Err("give either `column` (with or without `join` and `path`) or `constant`"),
    }
}

fn tokens(tokens: &TokenSources) -> Result<(), InvalidPart> {
    let parts = tokens.access.is_some()
        || tokens.refresh.is_some()
        || tokens.id.is_some()
        || tokens.scope.is_some()
        || tokens.token_type.is_some();
    match (&tokens.response, &tokens.access, &tokens.refresh) {
        (Some(_), ..) if parts => Err(invalid(
            "tokens",
            "give either `response`, or `access`, `refresh`, `id`, `scope` and `type`",
        )),
        (None, None, None) => {
            Err(invalid("tokens", "give `response`, or at least one of `access` and `refresh`"))
        }
        _ => Ok(()),
    }
}

fn moments(mapping: &Mapping) -> Result<(), InvalidPart> {
    for (at, time) in mapping.expires.iter().enumerate() {
        moment(time, &format!("expires[{at}]"))?;
    }
    let moments =
        [("created", &mapping.created), ("renewed", &mapping.renewed), ("used", &mapping.used)];
    for (key, time) in moments {
        if let Some(time) = time {
            moment(time, key)?;
        }
    }
    let (key, place) = match mapping.newest_by {
        None => return Ok(()),
        Some(NewestBy::Created) => ("created", &mapping.created),
        Some(NewestBy::Renewed) => ("renewed", &mapping.renewed),
        Some(NewestBy::Used) => ("used", &mapping.used),
    };
    if place.is_none() {
        return Err(invalid("newest_by", format!("the mapping has no `{key}`")));
    }
    Ok(())
}

fn moment(time: &TimeSource, path: &str) -> Result<(), InvalidPart> {
    let is_relative = time.unit == Unit::Relative;
    if is_relative == time.relative_to.is_empty() {
        let message = "`relative_to` and the unit \"relative\" need each other";
        return Err(invalid(path, message));
    }
    if time.zone.is_some() && !matches!(time.unit, Unit::Timestamp | Unit::Iso) {
        return Err(invalid(path, "`zone` is for the units \"timestamp\" and \"iso\""));
    }
    for (at, base) in time.relative_to.iter().enumerate() {
        let path = format!("{path}.relative_to[{at}]");
        if base.unit == Unit::Relative {
            return Err(invalid(path, "the base of a relative time cannot be relative"));
        }
        moment(base, &path)?;
    }
    Ok(())
}

fn test(filter: &Filter) -> Result<(), &'static str> {
    let (one, many) = (filter.value.is_some(), !filter.values.is_empty());
    match filter.is {
        Test::Equal | Test::NotEqual if !one || many => Err("this test needs `value`"),
        Test::OneOf | Test::NoneOf if one || !many => Err("this test needs `values`"),
        Test::Null | Test::NotNull if one || many => Err("this test takes no value"),
        _ => Ok(()),
    }
}

//! Changes one object in JSON text, and keeps the rest to the letter.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Error, Value};
use zeroize::Zeroizing;

const EMPTY: &str = "{}";

/// The fields of an object in their order, each value as its text: a number of any length stays
/// unchanged.
#[derive(Default)]
pub(super) struct Fields {
    fields: Vec<(String, Box<RawValue>)>,
    is_changed: bool,
}

impl Fields {
    /// Returns a field's text. Of several fields with one name the last one counts, as for most
    /// parsers.
    pub(super) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.fields.iter().rev().find(|(known, _)| known == name).map(|(_, raw)| raw.as_ref())
    }

    /// Returns the value of a field; `None` for `null`.
    pub(super) fn get(&self, name: &str) -> Option<Value> {
        serde_json::from_str(self.raw(name)?.get()).ok().filter(|value: &Value| !value.is_null())
    }

    /// Sets a field, unless it has this value.
    pub(super) fn set(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        if self.get(name).as_ref() == Some(value) {
            return Ok(());
        }
        self.put(name, to_raw_value(value)?);
        Ok(())
    }

    /// Sets a field as it is written, unless it is written so already.
    pub(super) fn set_written(&mut self, name: &str, written: &RawValue) {
        if self.raw(name).map(RawValue::get) != Some(written.get()) {
            self.put(name, written.to_owned());
        }
    }

    fn put(&mut self, name: &str, value: Box<RawValue>) {
        self.is_changed = true;
        match self.fields.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, raw)) => *raw = value,
            None => self.fields.push((name.to_owned(), value)),
        }
    }

    /// Removes all fields with this name, unless the value is `null`.
    pub(super) fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.fields.retain(|(known, _)| known != name);
            self.is_changed = true;
        }
    }
}

/// Returns the text with a change to the object at `path`, which is created if it is missing;
/// `None` if nothing changed. JSON inside a JSON string stays inside one.
///
/// # Errors
///
/// If it is not JSON, or a value on the path is not an object.
pub(super) fn edited(
    text: &[u8],
    path: &[String],
    change: &mut dyn FnMut(&mut Fields) -> Result<(), Error>,
) -> Result<Option<Zeroizing<String>>, Error> {
    if text.trim_ascii().is_empty() {
        return within(EMPTY, path, change);
    }
    if let Ok(inner) = serde_json::from_slice::<String>(text) {
        let inner = within(&Zeroizing::new(inner), path, change)?;
        let outer = inner.map(|inner| serde_json::to_string(inner.as_str())).transpose()?;
        return Ok(outer.map(Zeroizing::new));
    }
    let raw: &RawValue = serde_json::from_slice(text)?;
    within(raw.get(), path, change)
}

fn within(
    text: &str,
    path: &[String],
    change: &mut dyn FnMut(&mut Fields) -> Result<(), Error>,
) -> Result<Option<Zeroizing<String>>, Error> {
    let mut fields: Fields = serde_json::from_str(text)?;
    match path.split_first() {
        None => change(&mut fields)?,
        Some((name, rest)) => {
            let inner = fields.raw(name).map(RawValue::get).filter(|inner| *inner != "null");
            if let Some(inner) = within(inner.unwrap_or(EMPTY), rest, change)? {
                fields.put(name, RawValue::from_string(inner.to_string())?);
            }
        }
    }
    if !fields.is_changed {
        return Ok(None);
    }
    Ok(Some(Zeroizing::new(serde_json::to_string(&fields)?)))
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut found = Fields::default();
                while let Some(field) = map.next_entry()? {
                    found.fields.push(field);
                }
                Ok(found)
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::edited;

    fn set(text: &str, path: &[&str], name: &str, value: &Value) -> Option<String> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        let edited = edited(text.as_bytes(), &path, &mut |fields| fields.set(name, value));
        edited.unwrap().map(|text| text.to_string())
    }

    #[test]
    fn what_is_not_changed_is_kept_to_the_letter() {
        let text = r#"{"b": 1.50, "z":{"y" : 123456789012345678901234567890}, "a":"Zo\u00eb"}"#;
        let changed = set(text, &[], "b", &2.into()).unwrap();
        assert_eq!(changed, r#"{"b":2,"z":{"y" : 123456789012345678901234567890},"a":"Zo\u00eb"}"#);
        assert_eq!(set(text, &[], "b", &1.5.into()), None);
        let inner = set(text, &["z"], "x", &1.into()).unwrap();
        assert!(inner.contains(r#""z":{"y":123456789012345678901234567890,"x":1}"#), "{inner}");
    }

    #[test]
    fn a_way_that_is_not_there_is_made() {
        assert_eq!(set("", &["a", "b"], "c", &1.into()).unwrap(), r#"{"a":{"b":{"c":1}}}"#);
        assert_eq!(set(r#"{"a":null}"#, &["a"], "c", &1.into()).unwrap(), r#"{"a":{"c":1}}"#);
        assert!(edited(b"[1]", &[], &mut |_| Ok(())).is_err());
        assert!(edited(br#"{"a":1}"#, &["a".to_owned()], &mut |_| Ok(())).is_err());
    }

    #[test]
    fn json_inside_a_text_stays_inside_one() {
        let outer = serde_json::to_string(r#"{"a":1}"#).unwrap();
        assert_eq!(set(&outer, &[], "a", &2.into()).unwrap(), r#""{\"a\":2}""#);
    }

    #[test]
    fn the_last_of_several_fields_counts() {
        assert_eq!(set(r#"{"a":1,"a":2}"#, &[], "a", &2.into()), None);
        assert_eq!(set(r#"{"a":1,"a":2}"#, &[], "a", &1.into()).unwrap(), r#"{"a":1,"a":1}"#);
        let gone = edited(br#"{"a":1,"b":null,"a":2}"#, &[], &mut |fields| {
            fields.remove("a");
            fields.remove("b");
            Ok(())
        });
        assert_eq!(gone.unwrap().unwrap().as_str(), r#"{"b":null}"#);
    }
}

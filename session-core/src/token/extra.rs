//! The fields of a token response that this crate does not know.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::session::memory_of;

/// Fields of a token response, each as the provider wrote it: a number keeps all its digits, also
/// where no type of this language holds them.
///
/// Two sets are equal if they are written alike. `Debug` prints the number of fields only.
#[derive(Clone, Default)]
pub struct ExtraFields {
    written: BTreeMap<String, Box<RawValue>>,
    values: Map<String, Value>,
}

impl ExtraFields {
    /// Sets a field, as it is written.
    ///
    /// ```
    /// use session_core::token::ExtraFields;
    ///
    /// let json = r#"{"at": 1770140731.6878679, "sub": 110248495921238986420}"#;
    /// let fields: ExtraFields = serde_json::from_str(json).unwrap();
    /// assert_eq!(fields.written("sub"), Some("110248495921238986420"));
    /// assert!(fields.get("at").unwrap().is_f64());
    /// ```
    pub fn insert(&mut self, name: impl Into<String>, written: &RawValue) {
        let name = name.into();
        // A number that is too large for every type is written, and has no value.
        match serde_json::from_str(written.get()) {
            Ok(value) => self.values.insert(name.clone(), value),
            Err(_) => self.values.remove(&name),
        };
        self.written.insert(name, written.to_owned());
    }

    /// Sets a field to a value.
    pub(super) fn insert_value(&mut self, name: String, value: Value) {
        // A value is JSON, so that it can be written.
        if let Ok(written) = to_raw_value(&value) {
            self.written.insert(name.clone(), written);
            self.values.insert(name, value);
        }
    }

    /// Adds the fields of another set that this one lacks.
    pub(super) fn add_missing(&mut self, other: &Self) {
        for (name, written) in &other.written {
            if !self.written.contains_key(name) {
                self.insert(name, written);
            }
        }
    }

    /// Returns the value of a field, as far as a type holds it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Returns the values of all fields, as far as a type holds them.
    #[must_use]
    pub const fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// Returns the JSON of a field, as it is written.
    #[must_use]
    pub fn written(&self, name: &str) -> Option<&str> {
        self.written.get(name).map(|written| written.get())
    }

    /// Returns each field with its JSON, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.written.iter().map(|(name, written)| (name.as_str(), written.as_ref()))
    }

    /// Returns about how many bytes of memory the fields take.
    pub(super) fn memory(&self) -> usize {
        let texts = self.iter().map(|(name, written)| name.len() + written.get().len());
        let values = self.values.iter().map(|(name, value)| name.len() + memory_of(value));
        texts.sum::<usize>() + values.sum::<usize>()
    }
}

impl PartialEq for ExtraFields {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.iter().zip(other.iter());
        self.written.len() == other.written.len()
            && pairs.all(|(one, other)| one.0 == other.0 && one.1.get() == other.1.get())
    }
}

impl Eq for ExtraFields {}

impl fmt::Debug for ExtraFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtraFields({} fields)", self.written.len())
    }
}

impl Serialize for ExtraFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ExtraFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Self::default();
        for (name, written) in BTreeMap::<String, Box<RawValue>>::deserialize(deserializer)? {
            fields.insert(name, &written);
        }
        Ok(fields)
    }
}

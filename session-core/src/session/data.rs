//! What an application keeps with a session.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Values that an application keeps with a session, such as the name to greet its user by: one JSON
/// object of at most [`MAX_BYTES`](Self::MAX_BYTES).
///
/// They are set at a sign-in, and again where a step-up brings others; a renewal keeps them. They are
/// for what is read with each request anyway: what belongs to the user, and not to the sign-in, is
/// better kept in the application's own table.
///
/// # Security
///
/// They are sealed in the row together with the tokens, and leave it when the session ends. `Debug`
/// prints none of them, since claims are personal data.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use session_core::session::SessionData;
///
/// #[derive(Serialize, Deserialize)]
/// struct Profile {
///     name: String,
/// }
///
/// let data = SessionData::new(&Profile { name: "Ann".to_owned() })?;
/// assert_eq!(data.get("name"), Some(&"Ann".into()));
/// assert_eq!(data.read::<Profile>()?.name, "Ann");
/// assert!(SessionData::new(&Profile { name: "A".repeat(5_000) }).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct SessionData(Map<String, Value>);

/// A value cannot be kept with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSessionData {
    /// It is no struct and no map: there are no names to find its parts by.
    #[error("data of a session must serialize to a JSON object")]
    NoObject,
    /// It is too long.
    #[error("data of a session may have {max} bytes, and has {0}", max = SessionData::MAX_BYTES)]
    TooLong(usize),
}

impl SessionData {
    /// The maximum size, in bytes of JSON: every resolved session is read, opened and cached with it.
    pub const MAX_BYTES: usize = 4096;

    /// Creates data from a value that serializes to a JSON object.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidSessionData`] if it does not, or is longer than [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn new<T: Serialize>(value: &T) -> Result<Self, InvalidSessionData> {
        let Ok(Value::Object(fields)) = serde_json::to_value(value) else {
            return Err(InvalidSessionData::NoObject);
        };
        Self::try_from(fields)
    }

    /// Returns the value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns all values as one of the application's own.
    ///
    /// # Errors
    ///
    /// Returns the error of serde if a value is missing or of another type: an earlier version of the
    /// application may have kept it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.0)
    }

    /// Returns whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns about how many bytes of memory the values take.
    pub(crate) fn memory(&self) -> usize {
        let mut bytes = 0;
        for (name, value) in &self.0 {
            bytes += name.len() + memory_of(value);
        }
        bytes
    }
}

/// Returns about how many bytes of memory a value takes.
pub(crate) fn memory_of(value: &Value) -> usize {
    let mut bytes = size_of::<Value>();
    match value {
        Value::String(text) => bytes += text.len(),
        Value::Array(items) => {
            for item in items {
                bytes += memory_of(item);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                bytes += name.len() + memory_of(value);
            }
        }
        _ => {}
    }
    bytes
}

impl TryFrom<Map<String, Value>> for SessionData {
    type Error = InvalidSessionData;

    fn try_from(fields: Map<String, Value>) -> Result<Self, InvalidSessionData> {
        match serde_json::to_vec(&fields).map(|written| written.len()) {
            Ok(..=Self::MAX_BYTES) => Ok(Self(fields)),
            Ok(bytes) => Err(InvalidSessionData::TooLong(bytes)),
            Err(_) => Err(InvalidSessionData::NoObject),
        }
    }
}

impl fmt::Debug for SessionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionData({} fields)", self.0.len())
    }
}

//! The source's own keys, and how they are given in the environment.

use std::fmt;
use std::fs;

use zeroize::Zeroizing;

use crate::source::{SourceError, SourceErrorKind};

/// The source's own keys, as its configuration has them: the current one, and older ones that still
/// open rows.
///
/// # Security
///
/// Wiped on drop, never printed.
///
/// ```
/// use session_migrate::source::SourceKeys;
///
/// let keys = SourceKeys::new("current").with_old("last year's");
/// assert_eq!(format!("{keys:?}"), "SourceKeys(2 keys)");
/// ```
#[derive(Clone, Default)]
pub struct SourceKeys(Vec<Zeroizing<String>>);

impl SourceKeys {
    /// Creates an empty set, for sources that store tokens unencrypted.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Creates a set with the current key.
    #[must_use]
    pub fn new(current: impl Into<String>) -> Self {
        Self(vec![Zeroizing::new(current.into())])
    }

    /// Adds an older key.
    #[must_use]
    pub fn with_old(mut self, key: impl Into<String>) -> Self {
        self.0.push(Zeroizing::new(key.into()));
        self
    }

    /// Returns whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.as_str())
    }
}

impl fmt::Debug for SourceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceKeys({} keys)", self.0.len())
    }
}

const KEY: &str = "SESSION_MIGRATE_SOURCE_KEY";
const KEY_FILE: &str = "SESSION_MIGRATE_SOURCE_KEY_FILE";
const OLD_KEYS: &str = "SESSION_MIGRATE_SOURCE_OLD_KEYS";

impl SourceKeys {
    /// Reads the keys from the environment: `SESSION_MIGRATE_SOURCE_KEY`, or the file in
    /// `SESSION_MIGRATE_SOURCE_KEY_FILE` without its last line break; and older keys from
    /// `SESSION_MIGRATE_SOURCE_OLD_KEYS`, separated by line breaks or, without any, by commas.
    ///
    /// An empty variable counts as unset.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if both the key and the file are given, if the file cannot be read, or if
    /// there are old keys without a current one.
    pub fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SourceError> {
        let given = |name| variable(name).map(Zeroizing::new).filter(|text| !text.is_empty());
        let current = match (given(KEY), given(KEY_FILE)) {
            (Some(_), Some(_)) => {
                return Err(unusable(format!("give either {KEY} or {KEY_FILE}, not both")));
            }
            (Some(key), None) => Some(key),
            (None, Some(path)) => Some(in_file(&path)?),
            (None, None) => None,
        };
        let old = given(OLD_KEYS).unwrap_or_default();
        let separator = if old.contains('\n') { '\n' } else { ',' };
        let old = old.split(separator).map(str::trim).filter(|key| !key.is_empty());
        match current {
            Some(key) => Ok(old.fold(Self::new(key.as_str()), Self::with_old)),
            None if old.count() > 0 => Err(unusable(format!("{OLD_KEYS} needs {KEY}"))),
            None => Ok(Self::none()),
        }
    }
}

fn in_file(path: &str) -> Result<Zeroizing<String>, SourceError> {
    let text = fs::read_to_string(path)
        .map_err(|error| unusable(format!("{KEY_FILE} cannot be read")).caused_by(error))?;
    let text = Zeroizing::new(text);
    let key = text.strip_suffix('\n').unwrap_or(&text);
    let key = key.strip_suffix('\r').unwrap_or(key);
    match key.is_empty() {
        true => Err(unusable(format!("{KEY_FILE} is empty"))),
        false => Ok(Zeroizing::new(key.to_owned())),
    }
}

fn unusable(detail: String) -> SourceError {
    SourceError::because(SourceErrorKind::DecryptionKey, detail)
}

#[cfg(test)]
mod tests {
    use super::{KEY, KEY_FILE, OLD_KEYS, SourceKeys};

    fn keys(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let keys = SourceKeys::from_environment(variable).map_err(|error| error.to_string())?;
        Ok(keys.iter().map(str::to_owned).collect())
    }

    #[test]
    fn the_current_key_comes_before_the_old_ones() {
        assert_eq!(keys(&[]).unwrap(), [""; 0]);
        assert_eq!(keys(&[(KEY, "a"), (OLD_KEYS, "b, c,")]).unwrap(), ["a", "b", "c"]);
        assert_eq!(keys(&[(KEY, "a"), (OLD_KEYS, "b,1\nc\n")]).unwrap(), ["a", "b,1", "c"]);
        assert_eq!(keys(&[(KEY, ""), (OLD_KEYS, "")]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_file_loses_its_last_line_break_only() {
        let path = std::env::temp_dir().join(format!("session-migrate-key-{}", std::process::id()));
        std::fs::write(&path, " key \r\n").unwrap();
        let read = keys(&[(KEY_FILE, path.to_str().unwrap())]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.unwrap(), [" key "]);
    }

    #[test]
    fn what_contradicts_itself_is_refused_without_a_key_in_the_message() {
        for variables in [
            &[(KEY, "hunter2"), (KEY_FILE, "/nowhere")][..],
            &[(OLD_KEYS, "hunter2")],
            &[(KEY_FILE, "/nowhere/at/all")],
        ] {
            let error = keys(variables).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

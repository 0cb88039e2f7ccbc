//! The sealing keys: from the variable `SESSION_KEYS`, or from a file that the first start creates.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use session_core::{Keyring, SessionStore};

use crate::startup_error::StartupError;

/// The variable: `id:base64 of 32 bytes`, separated by commas; the first key seals.
const VARIABLE: &str = "SESSION_KEYS";

/// The source of the keys.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// A file in the same format, created for a database without sessions.
    File(PathBuf),
    /// Text that was given.
    Given(SecretString),
}

impl KeySource {
    /// Uses the variable if it is set, else the file `devices.keys` in this directory.
    pub(crate) fn from_environment(directory: &Path) -> Self {
        let given = std::env::var_os(VARIABLE).map(|text| text.to_string_lossy().into_owned());
        let file = || Self::File(directory.join("devices.keys"));
        given.map_or_else(file, |text| Self::Given(text.into()))
    }

    /// Returns the keys, if they include the key of every sealed session. A new key is created only for
    /// a database without sessions: otherwise it would hide that the right one is missing.
    pub(crate) async fn keyring(&self, store: &dyn SessionStore) -> Result<Keyring, StartupError> {
        let rows = store.sample_per_key().await;
        let rows =
            rows.map_err(|error| StartupError::caused_by("cannot read the database", error))?;
        let keyring = match self {
            Self::Given(text) => Keyring::parse(text.expose_secret())
                .map_err(|error| StartupError::usage(VARIABLE, error))?,
            Self::File(path) if !rows.is_empty() && !path.exists() => {
                return Err(missing(&format!(
                    "there is no {}, and {VARIABLE} is not set",
                    path.display()
                )));
            }
            Self::File(path) => Keyring::from_dev_file(path).map_err(|error| {
                StartupError::caused_by("cannot use the file of sealing keys", error)
            })?,
        };
        let mut sealed = rows.iter().filter_map(|row| row.tokens.as_ref()?.tokens.key_id());
        match sealed.find(|id| !keyring.key_ids().any(|known| known == *id)) {
            None => Ok(keyring),
            Some(id) => Err(missing(&format!("the key {id:?} was not given"))),
        }
    }
}

fn missing(why: &str) -> StartupError {
    StartupError::start(format!(
        "the database contains sealed sessions, but not all of their keys are here: {why}; nothing \
         was changed"
    ))
}

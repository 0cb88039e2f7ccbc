//! The sealing keys: from the variable `SESSION_KEYS`, or from a file that the first start creates.

use std::env::{self, VarError};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use session_core::Keyring;
use session_core::store::StoredSession;

use crate::startup_error::StartupError;

/// The variable: `id:base64 of 32 bytes`, separated by commas; the first key seals.
const VARIABLE: &str = "SESSION_KEYS";

/// The file, in the same format.
const FILE: &str = "devices.keys";

/// The source of the keys.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// A file, created for a database without sealed rows.
    File(PathBuf),
    /// Text that was given and parses.
    Given(SecretString),
}

impl KeySource {
    /// Uses the variable if it is set, else the file in this directory.
    pub(crate) fn from_environment(directory: &Path) -> Result<Self, StartupError> {
        match env::var(VARIABLE) {
            Ok(text) => Self::given(text),
            Err(VarError::NotPresent) => Ok(Self::File(directory.join(FILE))),
            Err(VarError::NotUnicode(_)) => Err(StartupError::usage(VARIABLE, "must be UTF-8")),
        }
    }

    pub(crate) fn given(text: String) -> Result<Self, StartupError> {
        let text = SecretString::from(text);
        Keyring::parse(text.expose_secret())
            .map_err(|error| StartupError::usage(VARIABLE, error))?;
        Ok(Self::Given(text))
    }

    /// Returns the keys, after checking that they include the key of every sample row.
    ///
    /// A new key is created only for a database without rows: otherwise it would hide that the right
    /// key is missing.
    pub(crate) fn keyring(&self, rows: &[StoredSession]) -> Result<Keyring, StartupError> {
        let keyring = match self {
            Self::Given(text) => Keyring::parse(text.expose_secret())
                .map_err(|error| StartupError::usage(VARIABLE, error))?,
            Self::File(path) => Self::of_file(path, rows.is_empty())?,
        };
        let is_missing = |id: &&str| !keyring.key_ids().any(|known| known == *id);
        let mut sealed = rows.iter().filter_map(|row| row.tokens.as_ref()?.tokens.key_id());
        match sealed.find(is_missing) {
            None => Ok(keyring),
            Some(id) => Err(StartupError::start(format!(
                "the database contains sessions sealed with the key {id:?}, which was not given; \
                 nothing was changed"
            ))),
        }
    }

    fn of_file(path: &Path, may_create: bool) -> Result<Keyring, StartupError> {
        if !may_create && !path.exists() {
            return Err(StartupError::start(format!(
                "the database contains sealed sessions, but their keys are missing: there is no \
                 {}, and {VARIABLE} is not set; nothing was changed",
                path.display()
            )));
        }
        Keyring::from_dev_file(path)
            .map_err(|error| StartupError::caused_by("cannot use the file of sealing keys", error))
    }
}

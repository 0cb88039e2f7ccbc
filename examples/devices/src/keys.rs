//! The sealing keys: from the variable `SESSION_KEYS`, or from a file that the first start creates.

use std::env::{self, VarError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use session_core::Keyring;
use session_core::store::StoredSession;
use session_core::token::KeyringError;

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
    /// A new key is created only for a database without rows: otherwise it would hide that the
    /// right key is missing.
    pub(crate) fn keys_for(&self, rows: &[StoredSession]) -> Result<Keys, StartupError> {
        let keys = match self {
            Self::Given(text) => Keys { text: text.clone(), origin: VARIABLE.to_owned() },
            Self::File(path) => read_or_create(path, rows.is_empty())?,
        };
        let keyring = keys.keyring()?;
        let is_known = |id: &str| keyring.key_ids().any(|known| known == id);
        match rows.iter().filter_map(key_id).find(|id| !is_known(id)) {
            None => Ok(keys),
            Some(id) => Err(StartupError::start(format!(
                "the database contains sessions sealed with the key {id:?}, which is not in {}; \
                 nothing was changed",
                keys.origin
            ))),
        }
    }
}

fn key_id(row: &StoredSession) -> Option<&str> {
    row.tokens.as_ref()?.tokens.key_id()
}

/// The text of a keyring, and its origin for messages.
#[derive(Debug)]
pub(crate) struct Keys {
    text: SecretString,
    origin: String,
}

impl Keys {
    /// Parses the keys.
    pub(crate) fn keyring(&self) -> Result<Keyring, StartupError> {
        Keyring::parse(self.text.expose_secret()).map_err(|error| {
            StartupError::caused_by(
                format!("cannot use the sealing keys in {}", self.origin),
                error,
            )
        })
    }
}

fn read_or_create(path: &Path, may_create: bool) -> Result<Keys, StartupError> {
    let origin = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && may_create => create(path),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(StartupError::start(format!(
                "the database contains sealed sessions, but their keys are missing: there is no \
                 {origin}, and {VARIABLE} is not set; nothing was changed"
            )));
        }
        other => other,
    };
    let text = text.map_err(|error| {
        StartupError::caused_by(format!("cannot read the sealing keys from {origin}"), error)
    })?;
    Ok(Keys { text: SecretString::from(text.trim()), origin })
}

/// Creates the file with a new random key and returns its content. If several copies start at once,
/// all use the key of the first. The file appears complete or not at all.
fn create(path: &Path) -> io::Result<String> {
    let id = random_name("key").map_err(io::Error::other)?;
    let entry = Keyring::generate_entry(&id).map_err(io::Error::other)?;
    let draft = path.with_extension(&id);
    let made = write_private(&draft, &entry).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => removed?,
    }
    fs::read_to_string(path)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
    writeln!(file, "{text}")?;
    File::sync_all(&file)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Returns `kind` with 64 random bits appended.
pub(crate) fn random_name(kind: &str) -> Result<String, KeyringError> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|_| KeyringError::RandomnessError)?;
    Ok(format!("{kind}-{:016x}", u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct KeyDirectory(PathBuf);

    impl KeyDirectory {
        fn new() -> Self {
            let path = env::temp_dir().join(random_name("devices-keys").unwrap());
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for KeyDirectory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn copies_that_start_at_once_use_one_key() {
        let directory = KeyDirectory::new();
        let source = KeySource::File(directory.0.join(FILE));
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let source = source.clone();
                std::thread::spawn(move || source.keys_for(&[]).unwrap().text)
            })
            .collect();
        let texts: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        let first = texts[0].expose_secret();
        assert!(Keyring::parse(first).is_ok());
        assert!(texts.iter().all(|text| text.expose_secret() == first));
        assert_eq!(
            fs::read_dir(&directory.0).unwrap().count(),
            1,
            "a temporary file was left behind"
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = KeyDirectory::new();
        let path = directory.0.join(FILE);
        KeySource::File(path.clone()).keys_for(&[]).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_invalid_variable_is_reported_without_repeating_it() {
        for text in ["", "hunter2", "a:hunter2", "a:aHVudGVyMg=="] {
            let error = KeySource::given(text.to_owned()).unwrap_err();
            assert!(error.to_string().starts_with("SESSION_KEYS: "), "{error}");
            assert!(!error.to_string().contains("unter"), "{error}");
        }
    }
}

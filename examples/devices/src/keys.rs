//! The sealing keys: from the variable `SESSION_KEYS`, or from a file that the first start makes.

use std::env::{self, VarError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use session_core::Keyring;
use session_core::store::StoredSession;
use session_core::token::KeyringError;

use crate::failure::Failure;

/// The variable: `id:base64 of 32 bytes`, parted by commas; the first key seals.
const VARIABLE: &str = "SESSION_KEYS";

/// The file, in the same form.
const FILE: &str = "devices.keys";

/// Where the keys come from.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// A file, which is created for a database that nothing is sealed in.
    File(PathBuf),
    /// Text that was given and is well formed.
    Given(SecretString),
}

impl KeySource {
    /// The variable if it is set, else the file in this directory.
    pub(crate) fn from_environment(directory: &Path) -> Result<Self, Failure> {
        match env::var(VARIABLE) {
            Ok(text) => Self::given(text),
            Err(VarError::NotPresent) => Ok(Self::File(directory.join(FILE))),
            Err(VarError::NotUnicode(_)) => Err(Failure::usage(VARIABLE, "is not UTF-8")),
        }
    }

    pub(crate) fn given(text: String) -> Result<Self, Failure> {
        let text = SecretString::from(text);
        Keyring::parse(text.expose_secret()).map_err(|error| Failure::usage(VARIABLE, error))?;
        Ok(Self::Given(text))
    }

    /// The keys, if they can be the ones for these rows, one for each key id.
    ///
    /// A new key is made only for a database without any row: anywhere else it would hide that the
    /// right one is missing.
    pub(crate) fn keys_for(&self, rows: &[StoredSession]) -> Result<Keys, Failure> {
        let keys = match self {
            Self::Given(text) => Keys { text: text.clone(), origin: VARIABLE.to_owned() },
            Self::File(path) => read_or_create(path, rows.is_empty())?,
        };
        let keyring = keys.keyring()?;
        let is_known = |id: &str| keyring.key_ids().any(|known| known == id);
        match rows.iter().filter_map(key_id).find(|id| !is_known(id)) {
            None => Ok(keys),
            Some(id) => Err(Failure::start(format!(
                "the database holds sessions that are sealed with the key {id:?}, which is not in \
                 {}; nothing was changed",
                keys.origin
            ))),
        }
    }
}

fn key_id(row: &StoredSession) -> Option<&str> {
    row.tokens.as_ref()?.tokens.key_id()
}

/// The text of a keyring, and where it is from.
#[derive(Debug)]
pub(crate) struct Keys {
    text: SecretString,
    origin: String,
}

impl Keys {
    /// A keyring of these keys.
    pub(crate) fn keyring(&self) -> Result<Keyring, Failure> {
        Keyring::parse(self.text.expose_secret()).map_err(|error| {
            Failure::caused_by(
                format!("there are no usable sealing keys in {}", self.origin),
                error,
            )
        })
    }
}

fn read_or_create(path: &Path, may_create: bool) -> Result<Keys, Failure> {
    let origin = path.display().to_string();
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && may_create => create(path),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::start(format!(
                "the database holds sealed sessions, and their keys are missing: there is no \
                 {origin}, and {VARIABLE} is not set; nothing was changed"
            )));
        }
        other => other,
    };
    let text = text.map_err(|error| {
        Failure::caused_by(format!("the sealing keys cannot be read from {origin}"), error)
    })?;
    Ok(Keys { text: SecretString::from(text.trim()), origin })
}

/// Writes a new random key, and gives what the file holds then: of copies that start at once, all
/// take the key of the first. The file appears complete or not at all.
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

/// A name with 64 random bits behind it.
pub(crate) fn random_name(kind: &str) -> Result<String, KeyringError> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes).map_err(|_| KeyringError::RandomnessError)?;
    Ok(format!("{kind}-{:016x}", u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            let path = env::temp_dir().join(random_name("devices-keys").unwrap());
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn copies_that_start_at_once_take_one_key() {
        let directory = Directory::new();
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
        assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1, "a draft was left");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = Directory::new();
        let path = directory.0.join(FILE);
        KeySource::File(path.clone()).keys_for(&[]).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_bad_variable_is_named_and_not_repeated() {
        for text in ["", "hunter2", "a:hunter2", "a:aHVudGVyMg=="] {
            let failure = KeySource::given(text.to_owned()).unwrap_err();
            assert!(failure.to_string().starts_with("SESSION_KEYS: "), "{failure}");
            assert!(!failure.to_string().contains("unter"), "{failure}");
        }
    }
}

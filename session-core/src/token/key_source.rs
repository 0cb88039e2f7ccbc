//! Where the keys come from: the environment, and in development a file that is made once.

use std::env::{self, VarError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::seal::{Keyring, KeyringError};

/// The keys cannot be had. No key is part of the error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeySourceError {
    /// The variable is not set.
    #[error(
        "{variable} is not set: set it to `id:` and the base64 of 32 random bytes, such as \
         {variable}=2026:$(openssl rand -base64 32), and keep it: what it has sealed opens with no \
         other key"
    )]
    NotSet {
        /// The name of the variable.
        variable: String,
    },
    /// The keys in the variable or the file are not valid.
    #[error("the sealing keys in {origin} are not valid")]
    Invalid {
        /// The name of the variable, or the path of the file.
        origin: String,
        /// What is wrong with them.
        #[source]
        source: KeyringError,
    },
    /// The variable is not UTF-8.
    #[error("{variable} is not UTF-8")]
    NotUnicode {
        /// The name of the variable.
        variable: String,
    },
    /// The file can be neither read nor created.
    #[error("the sealing keys in {} can be neither read nor created", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// # Where the keys come from
impl Keyring {
    /// Reads the keys from an environment variable, in the form of [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// Returns [`KeySourceError`] if the variable is not set or its keys are not valid.
    pub fn from_env(variable: &str) -> Result<Self, KeySourceError> {
        match env::var(variable).map(Zeroizing::new) {
            Ok(text) => parsed(&text, variable),
            Err(VarError::NotPresent) => {
                Err(KeySourceError::NotSet { variable: variable.to_owned() })
            }
            Err(VarError::NotUnicode(_)) => {
                Err(KeySourceError::NotUnicode { variable: variable.to_owned() })
            }
        }
    }

    /// Reads the keys from an environment variable or, for development, from a
    /// [file](Self::from_dev_file).
    ///
    /// A build without debug assertions, as `cargo build --release` makes it, uses no file: there the
    /// variable must be set.
    ///
    /// # Errors
    ///
    /// Returns [`KeySourceError`] in the cases of [`from_env`](Self::from_env), and if the file can be
    /// neither read nor created.
    pub fn from_env_or_dev_file(
        variable: &str,
        path: impl AsRef<Path>,
    ) -> Result<Self, KeySourceError> {
        Self::from_env(variable).or_else(|error| match error {
            KeySourceError::NotSet { .. } if cfg!(debug_assertions) => Self::from_dev_file(path),
            other => Err(other),
        })
    }

    /// Reads the keys from a file, for development: it is created with a random key if it is missing,
    /// and only its owner can read it. A warning says so.
    ///
    /// # Errors
    ///
    /// Returns [`KeySourceError`] if the file can be neither read nor created, or its keys are not
    /// valid.
    ///
    /// # Security
    ///
    /// Keep the file out of version control and of backups of the database: together they contain
    /// every token.
    pub fn from_dev_file(path: impl AsRef<Path>) -> Result<Self, KeySourceError> {
        let path = path.as_ref();
        let file = path.display();
        tracing::warn!(%file, "the sealing keys are those of a file: for development only");
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => create(path),
            other => other,
        };
        let text = text.map(Zeroizing::new);
        let text = text.map_err(|source| KeySourceError::File { path: path.to_owned(), source })?;
        parsed(&text, &file.to_string())
    }
}

fn parsed(text: &str, origin: &str) -> Result<Keyring, KeySourceError> {
    let invalid = |source| KeySourceError::Invalid { origin: origin.to_owned(), source };
    Keyring::parse(text.trim()).map_err(invalid)
}

/// Creates the file with a new key and returns its content. If several processes start at once, all
/// use the key of the first: the file appears complete or not at all.
fn create(path: &Path) -> io::Result<String> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let id = format!("dev-{:016x}", u64::from_be_bytes(random));
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
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    writeln!(file, "{text}")?;
    File::sync_all(&file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    /// A directory that is removed with its content.
    struct KeyDirectory(PathBuf);

    impl KeyDirectory {
        fn new() -> Self {
            let name = format!("session-core-keys-{}", uuid::Uuid::now_v7());
            let path = env::temp_dir().join(name);
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
    fn processes_that_start_at_once_use_one_key() {
        let directory = KeyDirectory::new();
        let path = directory.0.join("dev.keys");
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || Keyring::from_dev_file(&path).unwrap())
            })
            .collect();
        let keys: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
        let first = keys[0].sealing_key_id();
        assert!(keys.iter().all(|keys| keys.sealing_key_id() == first));
        assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1, "a draft was left behind");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = KeyDirectory::new();
        let path = directory.0.join("dev.keys");
        Keyring::from_env_or_dev_file("NOT_SET_IN_TESTS", &path).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_invalid_file_is_reported_without_repeating_it_and_is_kept() {
        let directory = KeyDirectory::new();
        let path = directory.0.join("dev.keys");
        for text in ["", "hunter2", "a:hunter2", "a:aHVudGVyMg=="] {
            fs::write(&path, text).unwrap();
            let error = Keyring::from_dev_file(&path).unwrap_err();
            assert!(error.to_string().contains("dev.keys are not valid"), "{error}");
            assert!(!format!("{error:?}").contains("unter"), "{error:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}

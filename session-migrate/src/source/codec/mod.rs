//! How a source encrypts its tokens: a trait, the codecs of the projects with a preset, and room
//! for the caller's own.
//!
//! A codec decrypts a stored cell and, for a rollback, encrypts a value in the form of the cell
//! that was stored before.

mod better_auth;
mod crypto;
mod fernet;
mod grafana;
mod key_prints;
mod keys;
mod laravel;
mod outline;
mod registry;

use std::fmt;

use session_core::Timestamp;
use zeroize::Zeroizing;

pub use better_auth::BetterAuth;
pub use fernet::Fernet;
pub use grafana::{DataKeys, Grafana};
pub(crate) use key_prints::KeyPrints;
pub use keys::SourceKeys;
pub use laravel::Laravel;
pub use outline::Outline;
pub use registry::Codecs;

use crate::sql::Cell;

/// Decrypts what a source stored, and encrypts what is written back to it.
///
/// It is object safe. [`Codecs::with`] adds an implementation under a name that mappings use:
///
/// ```
/// use session_core::Timestamp;
/// use session_migrate::source::{Cell, CodecError, Codecs, KeyUse, Opened, SourceKeys, TokenCodec};
///
/// #[derive(Debug)]
/// struct Backwards;
///
/// impl TokenCodec for Backwards {
///     fn open(&self, stored: &Cell) -> Result<Opened, CodecError> {
///         let text = stored.as_text().ok_or(CodecError::Malformed)?;
///         let plain: String = text.chars().rev().collect();
///         Ok(Opened::new(plain.into_bytes(), KeyUse::None))
///     }
///
///     fn seal(&self, plain: &[u8], _like: &Cell, _now: Timestamp) -> Result<Cell, CodecError> {
///         let text = std::str::from_utf8(plain).map_err(|_| CodecError::Malformed)?;
///         Ok(Cell::Text(text.chars().rev().collect()))
///     }
/// }
///
/// let codecs = Codecs::new(SourceKeys::none()).with("backwards", Backwards);
/// let opened = codecs.find("backwards").unwrap().open(&Cell::Text("nekot".into())).unwrap();
/// assert_eq!(opened.plain(), b"token");
/// ```
pub trait TokenCodec: fmt::Debug + Send + Sync {
    /// Decrypts a stored value, which is never `NULL`; returns the plaintext and which key opened
    /// it.
    ///
    /// # Errors
    ///
    /// [`CodecError`] says why the value does not open, without anything of the value.
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError>;

    /// Encrypts a plaintext in the source's form with the current key, at `now`.
    ///
    /// `like` is the cell that was stored before: it decides between text and bytes and, in tables
    /// that mix forms, between these. Where nothing was stored, it is an empty cell of the column's
    /// class.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if there is no key, or the system returns no random bytes.
    fn seal(&self, plain: &[u8], like: &Cell, now: Timestamp) -> Result<Cell, CodecError>;
}

/// The plaintext of a stored value.
///
/// # Security
///
/// `Debug` prints no plaintext, which is wiped on drop.
#[derive(Clone)]
pub struct Opened {
    plain: Zeroizing<Vec<u8>>,
    key: KeyUse,
}

impl Opened {
    /// Creates the result of a value that this key opened.
    #[must_use]
    pub fn new(plain: Vec<u8>, key: KeyUse) -> Self {
        Self { plain: Zeroizing::new(plain), key }
    }

    /// Returns the plaintext.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Returns which key opened the value.
    #[must_use]
    pub const fn key(&self) -> KeyUse {
        self.key
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Which of the source's keys opened a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUse {
    /// None: the value was not encrypted.
    None,
    /// The current key.
    Current,
    /// The old key with this number, counted from 0.
    Old(usize),
}

impl KeyUse {
    /// Returns the key at this index of [`SourceKeys`], where the current one comes first.
    const fn at(place: usize) -> Self {
        match place.checked_sub(1) {
            None => Self::Current,
            Some(old) => Self::Old(old),
        }
    }
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Current => f.write_str("current"),
            Self::Old(number) => write!(f, "old-{}", number + 1),
        }
    }
}

/// A stored value could not be decrypted, or a plaintext not encrypted.
///
/// It names the reason, and contains nothing of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value is encrypted, and no key was given.
    #[error("no key was given")]
    NoKey,
    /// No given key opens the value.
    #[error("no key opens it")]
    WrongKey,
    /// The value does not have the codec's form.
    #[error("it does not have the form of an encrypted value")]
    Malformed,
    /// The system returns no random bytes.
    #[error("the system returns no random bytes")]
    RandomnessError,
}

impl CodecError {
    /// Returns a code for reports: `no_key`, `wrong_key`, `malformed`, `no_randomness`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::WrongKey => "wrong_key",
            Self::Malformed => "malformed",
            Self::RandomnessError => "no_randomness",
        }
    }
}

/// Tokens that are stored as they are, in text or bytes.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl TokenCodec for Plain {
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError> {
        let bytes = stored.as_bytes().ok_or(CodecError::Malformed)?;
        Ok(Opened::new(bytes.to_vec(), KeyUse::None))
    }

    fn seal(&self, plain: &[u8], like: &Cell, _now: Timestamp) -> Result<Cell, CodecError> {
        Ok(match like {
            Cell::Bytes(_) => Cell::Bytes(plain.to_vec()),
            _ => Cell::from_text_bytes(plain.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests;

//! How a source encrypts its tokens: one trait, the codecs of the projects that have a preset,
//! and room for the caller's own.
//!
//! A codec opens a stored cell and, for a later rollback, seals a value in the form of the cell
//! that stood there before.

mod better_auth;
mod crypto;
mod fernet;
mod grafana;
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
pub use keys::SourceKeys;
pub use laravel::Laravel;
pub use outline::Outline;
pub use registry::Codecs;

use crate::sql::Cell;

/// Opens what a source stored, and seals what is written back to it.
///
/// It is object safe; [`Codecs::with`] adds one of the caller's under a name that mappings use:
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
    /// The plaintext of a stored value, and which key opened it. The caller never gives `NULL`.
    ///
    /// # Errors
    ///
    /// [`CodecError`] says why not; it has nothing of the value in it.
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError>;

    /// A plaintext in the source's form, sealed by the current key at `now`.
    ///
    /// `like` is what stood in the place before: it decides between text and bytes, and in tables
    /// that mix forms, between these. Where nothing did, an empty cell of the column's class.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if there is no key, or the system gives no randomness.
    fn seal(&self, plain: &[u8], like: &Cell, now: Timestamp) -> Result<Cell, CodecError>;
}

/// What was in a stored value.
///
/// # Security
///
/// `Debug` prints no plaintext, and it is wiped on drop.
#[derive(Clone)]
pub struct Opened {
    plain: Zeroizing<Vec<u8>>,
    key: KeyUse,
}

impl Opened {
    /// A plaintext that this key opened.
    #[must_use]
    pub fn new(plain: Vec<u8>, key: KeyUse) -> Self {
        Self { plain: Zeroizing::new(plain), key }
    }

    /// The plaintext.
    #[must_use]
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Which key opened it.
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
    /// The current one.
    Current,
    /// The old one with this number, from 0.
    Old(usize),
}

impl KeyUse {
    /// The key at this place of [`SourceKeys`], where the current one is the first.
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

/// A stored value could not be opened, or a plaintext not sealed.
///
/// It names the reason and nothing of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value is encrypted, and no key was given.
    #[error("no key was given")]
    NoKey,
    /// No given key opens the value.
    #[error("no key opens it")]
    WrongKey,
    /// The value has not the form that the codec writes.
    #[error("it has not the form of an encrypted value")]
    Malformed,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    RandomnessError,
}

impl CodecError {
    /// A word for reports: `no_key`, `wrong_key`, `malformed`, `no_randomness`.
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

//! Encrypts tokens at rest, with a key id in each value (store law 10).

use std::fmt;

use base64ct::{Base64, Encoding};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::session::{ProviderName, SessionId, UserId};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// The length of the authentication tag that ends a ciphertext.
pub(super) const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const MAX_KEY_ID: usize = 64;

/// An encrypted value with the id of its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Creates the sealed value with these bytes, as a store has read them.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for a store to write.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the id of the key that sealed the value; `None` if the bytes are malformed.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.parts().map(|parts| parts.key_id)
    }

    /// Returns the authentication tag that ends the ciphertext.
    pub(super) fn tag(&self) -> Option<[u8; TAG_BYTES]> {
        self.parts()?.ciphertext.last_chunk().copied()
    }

    fn parts(&self) -> Option<Parts<'_>> {
        let (&[version, length], rest) = self.0.split_first_chunk::<2>()?;
        if version != VERSION {
            return None;
        }
        let (key_id, rest) = rest.split_at_checked(usize::from(length))?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
        Some(Parts { key_id: std::str::from_utf8(key_id).ok()?, nonce, ciphertext })
    }
}

struct Parts<'a> {
    key_id: &'a str,
    nonce: &'a [u8; NONCE_BYTES],
    ciphertext: &'a [u8],
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// The place that a value is sealed for; in another row it does not open (K1, K2).
#[derive(Debug, Clone, Copy)]
pub struct SealContext<'a> {
    /// The session whose row it is.
    pub session: SessionId,
    /// The user of the session.
    pub user: &'a UserId,
    /// The provider of the session.
    pub provider: &'a ProviderName,
    /// Which value of the row it is, so that two values of one row cannot be swapped.
    pub part: SealedPart,
}

/// Which value of a row is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealedPart {
    /// A token set without its refresh token.
    Tokens,
    /// The refresh token, which leaves the row for the outbox when the session ends.
    RefreshToken,
    /// A row of another system's table that a migration put into quarantine, with its columns.
    SourceRow,
    /// The checkpoint of a migration in another system's table: a key there may be a cookie.
    Cursor,
}

impl SealContext<'_> {
    /// Returns the associated data: each part with its length, so that no two contexts have the
    /// same bytes.
    fn associated_data(&self) -> Vec<u8> {
        let part: &[u8] = match self.part {
            SealedPart::Tokens => b"tokens",
            SealedPart::RefreshToken => b"refresh_token",
            SealedPart::SourceRow => b"source_row",
            SealedPart::Cursor => b"cursor",
        };
        let id = self.session.as_uuid();
        let parts =
            [part, id.as_bytes(), self.user.as_str().as_bytes(), self.provider.as_str().as_bytes()];
        let mut data = Vec::with_capacity(64);
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

struct SealingKey {
    id: String,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl SealingKey {
    fn parse(entry: &str) -> Result<Self, KeyringError> {
        let (id, key) = entry.split_once(':').ok_or(KeyringError::NoKeyId)?;
        if id.is_empty() || id.len() > MAX_KEY_ID || !id.bytes().all(is_key_id_byte) {
            return Err(KeyringError::BadKeyId);
        }
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        let length = Base64::decode(key, bytes.as_mut_slice()).map_or(0, <[u8]>::len);
        if length != KEY_BYTES {
            return Err(KeyringError::BadKey { id: id.to_owned() });
        }
        Self::checked(id.to_owned(), bytes)
    }

    /// Refuses a key of one repeated byte, which is a placeholder that was not replaced, and one of
    /// printable characters only, which is a text from a manual or a password (K3). A random key is
    /// printable once in 10^13.
    fn checked(id: String, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Result<Self, KeyringError> {
        let first = bytes.first().copied();
        let is_text = bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
        if is_text || bytes.iter().all(|byte| Some(*byte) == first) {
            return Err(KeyringError::WeakKey { id });
        }
        Ok(Self { id, bytes })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

const fn is_key_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// The keys that open sealed values, the first of which seals new ones (XChaCha20-Poly1305).
///
/// # Security
///
/// There is no default key. Keys are wiped on drop, and `Debug` prints their ids only.
///
/// ```
/// use session_core::Keyring;
///
/// let old = Keyring::generate_entry("2024").unwrap();
/// let new = Keyring::generate_entry("2026").unwrap();
/// let keyring = Keyring::parse(&format!("{},{}", *new, *old)).unwrap();
/// assert_eq!(keyring.sealing_key_id(), "2026");
/// assert!(Keyring::parse("").is_err());
/// ```
pub struct Keyring {
    sealing: SealingKey,
    retired: Vec<SealingKey>,
}

impl Keyring {
    /// Parses entries of the form `id:base64 of 32 bytes`, separated by commas. The first key seals.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError`] if there is no entry, or if one is malformed, weak or repeated. The
    /// error names the key id, never a key.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut keys = entries.map(SealingKey::parse).collect::<Result<Vec<_>, _>>()?;
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = keys.iter().find(|key| !seen.insert(key.id.as_str())) {
            return Err(KeyringError::DuplicateKeyId { id: twice.id.clone() });
        }
        if keys.is_empty() {
            return Err(KeyringError::Empty);
        }
        let sealing = keys.remove(0);
        Ok(Self { sealing, retired: keys })
    }

    /// Generates an entry for [`parse`](Self::parse) with a random key.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError`] if the id is invalid, or if the operating system provides no
    /// randomness.
    ///
    /// # Security
    ///
    /// The text contains the key, which opens every token that it seals.
    pub fn generate_entry(id: &str) -> Result<Zeroizing<String>, KeyringError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| KeyringError::RandomnessError)?;
        let entry = Zeroizing::new(format!("{id}:{}", Base64::encode_string(bytes.as_slice())));
        SealingKey::parse(&entry)?;
        Ok(entry)
    }

    /// Returns the id of the key that seals.
    #[must_use]
    pub fn sealing_key_id(&self) -> &str {
        &self.sealing.id
    }

    /// Returns the ids of all keys, the sealing key first.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys().map(|key| key.id.as_str())
    }

    /// Seals a value for this place only.
    ///
    /// # Errors
    ///
    /// Returns [`SealError`] if the operating system provides no randomness for the nonce.
    pub fn seal(&self, context: SealContext<'_>, plain: &[u8]) -> Result<Sealed, SealError> {
        let mut nonce = [0_u8; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError)?;
        let data = context.associated_data();
        let payload = Payload { msg: plain, aad: &data };
        let ciphertext =
            self.sealing.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError)?;
        let id = self.sealing.id.as_bytes();
        let length = u8::try_from(id.len()).map_err(|_| SealError)?;
        let mut bytes = Vec::with_capacity(2 + id.len() + NONCE_BYTES + ciphertext.len());
        bytes.extend_from_slice(&[VERSION, length]);
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&ciphertext);
        Ok(Sealed(bytes))
    }

    /// Opens a sealed value. The result is wiped on drop.
    ///
    /// # Errors
    ///
    /// Returns [`Unreadable`] if the keyring lacks the key, if the value was sealed for another
    /// place, or if it was changed.
    pub fn open(
        &self,
        context: SealContext<'_>,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        let parts = sealed.parts().ok_or(Unreadable::Tampered)?;
        let key = self.keys().find(|key| key.id == parts.key_id).ok_or(Unreadable::UnknownKey)?;
        let data = context.associated_data();
        let payload = Payload { msg: parts.ciphertext, aad: &data };
        let plain = key.cipher().decrypt(&XNonce::from(*parts.nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| Unreadable::Tampered)
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.sealing).chain(&self.retired)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.key_ids().collect::<Vec<_>>()).finish()
    }
}

/// The text of a keyring is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// A key is not the base64 of 32 bytes.
    #[error("sealing key {id:?} is not the base64 of 32 bytes")]
    BadKey {
        /// The key's id.
        id: String,
    },
    /// A key id is empty, longer than 64 bytes, or has other characters than `A-Za-z0-9._-`.
    #[error("a sealing key's id must have 1 to 64 characters of A-Za-z0-9._-")]
    BadKeyId,
    /// Two keys have one id.
    #[error("sealing key id {id:?} is given twice")]
    DuplicateKeyId {
        /// The id.
        id: String,
    },
    /// There is no key.
    #[error("no sealing key is given: set at least one id:base64 entry")]
    Empty,
    /// An entry has no colon.
    #[error("a sealing key is written as id:base64")]
    NoKeyId,
    /// The operating system provides no randomness.
    #[error("the operating system provides no randomness for a sealing key")]
    RandomnessError,
    /// The key is a placeholder or a text: one byte repeated, or printable characters only (K3).
    #[error("sealing key {id:?} is a placeholder or a text: generate a random key")]
    WeakKey {
        /// The key's id.
        id: String,
    },
}

/// A value cannot be sealed: the operating system provides no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token cannot be sealed")]
pub struct SealError;

/// The reason why a sealed value does not open. Its row is kept, since the key may come back (F35).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The value was changed, or was sealed for another row.
    #[error("the sealed value was changed, or belongs to another row")]
    Tampered,
    /// The keyring has no key with its key id.
    #[error("the value is sealed with a key that is not in the keyring")]
    UnknownKey,
}

//! Encryption of tokens at rest, with a key id on each value (store law 10).

use std::fmt;

use base64ct::{Base64, Encoding};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::session::{ProviderName, SessionId, UserId};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;
const LONGEST_KEY_ID: usize = 64;

/// A value that only the holder of a key can open: ciphertext with the id of its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The sealed value with these bytes, as a store read them.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store to write.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id of the key that sealed the value; `None` if the bytes have not the form of one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.parts().map(|parts| parts.key_id)
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

/// What a sealed value belongs to; a value moved to another row does not open (K1, K2).
#[derive(Debug, Clone, Copy)]
pub struct SealContext<'a> {
    /// The row.
    pub session: SessionId,
    /// Its user.
    pub user: &'a UserId,
    /// Its provider.
    pub provider: &'a ProviderName,
    /// Which of the row's values it is, so that two of one row cannot be swapped.
    pub part: SealedPart,
}

/// Which value of a row is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedPart {
    /// All of a token set but the refresh token.
    Tokens,
    /// The refresh token, which leaves the row for the outbox when the session ends.
    RefreshToken,
    /// A row of another system's table that a move set aside, with its columns as they were.
    SourceRow,
    /// How far a move has come in another system's table: a key there may be a cookie.
    Cursor,
}

impl SealContext<'_> {
    /// Associated data: each part with its length, so that no two contexts give the same bytes.
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
        if id.is_empty() || id.len() > LONGEST_KEY_ID || !id.bytes().all(is_key_id_byte) {
            return Err(KeyringError::BadKeyId);
        }
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        let length = Base64::decode(key, bytes.as_mut_slice()).map_or(0, <[u8]>::len);
        if length != KEY_BYTES {
            return Err(KeyringError::BadKey { id: id.to_owned() });
        }
        Self::checked(id.to_owned(), bytes)
    }

    /// K3: a key of one repeated byte is a placeholder that somebody forgot.
    fn checked(id: String, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Result<Self, KeyringError> {
        let first = bytes.first().copied();
        if bytes.iter().all(|byte| Some(*byte) == first) {
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
/// There is no default key. Keys are wiped on drop and never printed.
///
/// ```
/// use session_core::Keyring;
///
/// let old = "2024:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// let new = "2026:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";
/// let keyring = Keyring::parse(&format!("{new},{old}")).unwrap();
/// assert_eq!(keyring.sealing_key_id(), "2026");
/// assert!(Keyring::parse("").is_err());
/// ```
pub struct Keyring {
    sealing: SealingKey,
    retired: Vec<SealingKey>,
}

impl Keyring {
    /// The keyring that `id:base64 of 32 bytes` entries, parted by commas, describe.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] names what is wrong, and with which key id; never a key.
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

    /// A new entry for [`parse`](Self::parse) with a random key.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if the id cannot be one, or the system gives no randomness.
    ///
    /// # Security
    ///
    /// The text is the key: whoever has it opens every token that it seals.
    pub fn generate_entry(id: &str) -> Result<Zeroizing<String>, KeyringError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| KeyringError::RandomnessError)?;
        let entry = Zeroizing::new(format!("{id}:{}", Base64::encode_string(bytes.as_slice())));
        SealingKey::parse(&entry)?;
        Ok(entry)
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn sealing_key_id(&self) -> &str {
        &self.sealing.id
    }

    /// The ids of all keys, the sealing one first.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys().map(|key| key.id.as_str())
    }

    /// The value, sealed for this place and no other.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system gives no randomness for the nonce.
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

    /// The value inside, wiped on drop.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if no key of this id is here, or the value was made for another place, or
    /// was changed.
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

/// What is wrong with a keyring's text.
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
    #[error("no sealing key is given")]
    Empty,
    /// An entry has no colon.
    #[error("a sealing key is written as id:base64")]
    NoKeyId,
    /// The operating system gave no randomness.
    #[error("no randomness for a sealing key")]
    RandomnessError,
    /// The key is a placeholder, one byte repeated (K3).
    #[error("sealing key {id:?} is a placeholder, not a random key")]
    WeakKey {
        /// The key's id.
        id: String,
    },
}

/// A value could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token could not be sealed")]
pub struct SealError;

/// Why a sealed value does not open. Its row is kept: the right key may come back (F35).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It was changed, or belongs to another row.
    #[error("sealed value was changed or belongs elsewhere")]
    Tampered,
    /// No key of the keyring has its key id.
    #[error("sealed with a key that is not in the keyring")]
    UnknownKey,
}

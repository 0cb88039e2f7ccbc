//! Outline's tokens.

use std::fmt;

use session_core::Timestamp;
use zeroize::{Zeroize, Zeroizing};

use super::crypto::from_hex;
use super::crypto::{self, IV_BYTES};
use super::{CodecError, KeyUse, Opened, SourceKeys, TokenCodec};
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Cell;

/// Outline's tokens: 16 bytes of an initialisation vector and AES-256-CBC of the token as a JSON
/// string, under the `SECRET_KEY` of 64 hexadecimal digits.
///
/// # Security
///
/// The form has no MAC. A wrong key shows by invalid padding or JSON; a value that was tampered
/// with may not show.
pub struct Outline(Vec<Zeroizing<Vec<u8>>>);

impl Outline {
    /// Creates the codec with these keys.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a key is not 64 hexadecimal digits.
    pub fn new(keys: &SourceKeys) -> Result<Self, SourceError> {
        let key = |text: &str| {
            from_hex(text.as_bytes()).filter(|key| key.len() == 32).ok_or_else(|| {
                SourceError::because(
                    SourceErrorKind::DecryptionKey,
                    "Outline's key must be 64 hexadecimal digits",
                )
            })
        };
        keys.iter().map(key).collect::<Result<_, _>>().map(Self)
    }
}

/// Returns the token in a decrypted value.
fn token(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let json = crypto::open_cbc(key, iv, ciphertext)?;
    let token: String = serde_json::from_slice(&json).ok()?;
    Some(Zeroizing::new(token.into_bytes()))
}

impl TokenCodec for Outline {
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError> {
        let bytes = stored.as_bytes().ok_or(CodecError::Malformed)?;
        let (iv, ciphertext) =
            bytes.split_first_chunk::<IV_BYTES>().ok_or(CodecError::Malformed)?;
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(16) {
            return Err(CodecError::Malformed);
        }
        if self.0.is_empty() {
            return Err(CodecError::NoKey);
        }
        let opened = self.0.iter().enumerate().find_map(|(place, key)| {
            Some(Opened { plain: token(key, iv, ciphertext)?, key: KeyUse::at(place) })
        });
        opened.ok_or(CodecError::WrongKey)
    }

    fn seal(&self, plain: &[u8], _like: &Cell, _now: Timestamp) -> Result<Cell, CodecError> {
        let key = self.0.first().ok_or(CodecError::NoKey)?;
        let text = std::str::from_utf8(plain).map_err(|_| CodecError::Malformed)?;
        let mut json = serde_json::to_vec(text).map_err(|_| CodecError::Malformed)?;
        let iv: [u8; IV_BYTES] = crypto::random()?;
        let mut sealed = iv.to_vec();
        let ciphertext = crypto::seal_cbc(key, &iv, &json);
        json.zeroize();
        sealed.extend(ciphertext?);
        Ok(Cell::Bytes(sealed))
    }
}

impl fmt::Debug for Outline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outline({} keys)", self.0.len())
    }
}

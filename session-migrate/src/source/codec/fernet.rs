//! Fernet, as Open WebUI encrypts its tokens.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use session_core::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::crypto::{self, IV_BYTES};
use super::crypto::{from_base64, to_base64url};
use super::{CodecError, KeyUse, Opened, SourceKeys, TokenCodec};
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Cell;

const VERSION: u8 = 0x80;
const KEY_BYTES: usize = 32;
/// The version and the time in seconds.
const HEAD_BYTES: usize = 9;
const MAC_BYTES: usize = 32;

/// A secret of this length is a key; any other is a passphrase.
const KEY_CHARACTERS: usize = 44;

/// Fernet as Open WebUI uses it: AES-128-CBC and HMAC-SHA256, in base64url.
///
/// A secret of 44 characters is the key itself, in either alphabet of base64; any other is hashed
/// with SHA-256. As with Python's `cryptography`, a value's time is ignored: neither its age nor a
/// time in the future keeps it from opening.
pub struct Fernet(Vec<Key>);

struct Key {
    signing: Zeroizing<[u8; 16]>,
    encryption: Zeroizing<[u8; 16]>,
}

impl Fernet {
    /// Creates the codec with these keys.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a secret of 44 characters is not base64 of 32 bytes.
    pub fn new(keys: &SourceKeys) -> Result<Self, SourceError> {
        keys.iter().map(Key::derive).collect::<Result<_, _>>().map(Self)
    }
}

impl Key {
    fn derive(secret: &str) -> Result<Self, SourceError> {
        let bytes = if secret.chars().count() == KEY_CHARACTERS {
            from_base64(secret.as_bytes()).filter(|bytes| bytes.len() == KEY_BYTES).ok_or_else(
                || {
                    SourceError::because(
                        SourceErrorKind::DecryptionKey,
                        "a Fernet key of 44 characters must be base64 of 32 bytes",
                    )
                },
            )?
        } else {
            Zeroizing::new(Sha256::digest(secret.as_bytes()).to_vec())
        };
        let (halves, _) = bytes.as_chunks::<16>();
        let mut key =
            Self { signing: Zeroizing::new([0; 16]), encryption: Zeroizing::new([0; 16]) };
        if let [signing, encryption] = halves {
            key.signing.copy_from_slice(signing);
            key.encryption.copy_from_slice(encryption);
        }
        Ok(key)
    }

    fn mac(&self) -> Result<Hmac<Sha256>, CodecError> {
        Hmac::new_from_slice(self.signing.as_slice()).map_err(|_| CodecError::Malformed)
    }

    fn open(&self, parts: &FernetToken<'_>) -> Option<Zeroizing<Vec<u8>>> {
        let mut mac = self.mac().ok()?;
        mac.update(parts.signed);
        // In constant time.
        mac.verify_slice(parts.mac).ok()?;
        crypto::open_cbc(self.encryption.as_slice(), parts.iv, parts.ciphertext)
    }
}

struct FernetToken<'a> {
    signed: &'a [u8],
    iv: &'a [u8],
    ciphertext: &'a [u8],
    mac: &'a [u8],
}

impl<'a> FernetToken<'a> {
    fn of(token: &'a [u8]) -> Option<Self> {
        let (signed, mac) = token.split_at_checked(token.len().checked_sub(MAC_BYTES)?)?;
        let (head, rest) = signed.split_at_checked(HEAD_BYTES)?;
        let (iv, ciphertext) = rest.split_at_checked(IV_BYTES)?;
        let is_version = head.first() == Some(&VERSION);
        let is_blocks = !ciphertext.is_empty() && ciphertext.len().is_multiple_of(16);
        (is_version && is_blocks).then_some(Self { signed, iv, ciphertext, mac })
    }
}

impl TokenCodec for Fernet {
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError> {
        let text = stored.as_bytes().ok_or(CodecError::Malformed)?;
        let token = from_base64(text.trim_ascii()).ok_or(CodecError::Malformed)?;
        let parts = FernetToken::of(&token).ok_or(CodecError::Malformed)?;
        if self.0.is_empty() {
            return Err(CodecError::NoKey);
        }
        let opened = self.0.iter().enumerate().find_map(|(place, key)| {
            Some(Opened { plain: key.open(&parts)?, key: KeyUse::at(place) })
        });
        opened.ok_or(CodecError::WrongKey)
    }

    fn seal(&self, plain: &[u8], like: &Cell, now: Timestamp) -> Result<Cell, CodecError> {
        let key = self.0.first().ok_or(CodecError::NoKey)?;
        let iv: [u8; IV_BYTES] = crypto::random()?;
        let mut token = vec![VERSION];
        token.extend_from_slice(&now.as_millis().div_euclid(1000).to_be_bytes());
        token.extend_from_slice(&iv);
        token.extend_from_slice(&crypto::seal_cbc(key.encryption.as_slice(), &iv, plain)?);
        let mut mac = key.mac()?;
        mac.update(&token);
        token.extend_from_slice(&mac.finalize().into_bytes());
        let text = to_base64url(&token);
        Ok(match like {
            Cell::Bytes(_) => Cell::Bytes(text.into_bytes()),
            _ => Cell::Text(text),
        })
    }
}

impl fmt::Debug for Fernet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fernet({} keys)", self.0.len())
    }
}

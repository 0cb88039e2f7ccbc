//! Laravel's tokens.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use session_core::Timestamp;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::crypto::{self, IV_BYTES};
use super::crypto::{from_base64, from_hex, to_base64, to_hex};
use super::{CodecError, KeyUse, Opened, SourceKeys, TokenCodec};
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Cell;

/// Laravel's tokens: plain, or base64 of JSON with `iv`, `value` and `mac`, AES-CBC under the
/// `APP_KEY`, the token serialised by PHP (`Crypt::encrypt`) or not (the cast `encrypted`).
///
/// Only an encrypted value has that form, so everything else counts as plain.
pub struct Laravel(Vec<Zeroizing<Vec<u8>>>);

#[derive(Serialize, Deserialize)]
struct Envelope {
    iv: String,
    value: String,
    mac: String,
    #[serde(default)]
    tag: String,
}

impl Envelope {
    fn of(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(&from_base64(bytes.trim_ascii())?).ok()
    }

    fn mac(key: &[u8], iv: &str, value: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(iv.as_bytes());
        mac.update(value.as_bytes());
        Some(mac)
    }

    fn open(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mac = from_hex(self.mac.as_bytes())?;
        // In constant time.
        Self::mac(key, &self.iv, &self.value)?.verify_slice(&mac).ok()?;
        let (iv, value) = (from_base64(self.iv.as_bytes())?, from_base64(self.value.as_bytes())?);
        crypto::open_cbc(key, &iv, &value)
    }
}

impl Laravel {
    /// Creates the codec with these values of `APP_KEY` (`base64:…`, or the bytes of the text).
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a key does not have 32 bytes (AES-256) or 16 (AES-128).
    pub fn new(keys: &SourceKeys) -> Result<Self, SourceError> {
        let key = |text: &str| {
            let bytes = match text.strip_prefix("base64:") {
                Some(encoded) => from_base64(encoded.as_bytes()),
                None => Some(Zeroizing::new(text.as_bytes().to_vec())),
            };
            bytes.filter(|bytes| matches!(bytes.len(), 16 | 32)).ok_or_else(|| {
                SourceError::because(
                    SourceErrorKind::DecryptionKey,
                    "Laravel's APP_KEY must be `base64:` and base64 of 32 or 16 bytes",
                )
            })
        };
        keys.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the plaintext as PHP encrypted it, and the index of its key.
    fn unseal(&self, envelope: &Envelope) -> Result<(Zeroizing<Vec<u8>>, usize), CodecError> {
        if !envelope.tag.is_empty() {
            // AES-GCM, which Laravel offers and this codec does not support.
            return Err(CodecError::Malformed);
        }
        if self.0.is_empty() {
            return Err(CodecError::NoKey);
        }
        let opened =
            self.0.iter().enumerate().find_map(|(place, key)| Some((envelope.open(key)?, place)));
        opened.ok_or(CodecError::WrongKey)
    }
}

/// Returns the text in PHP's `s:LENGTH:"…";`.
fn unserialized(plain: &[u8]) -> Option<&[u8]> {
    let rest = plain.strip_prefix(b"s:")?;
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let (length, quoted) = rest.split_at_checked(colon)?;
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    let text = quoted.strip_prefix(b":\"")?.strip_suffix(b"\";")?;
    (text.len() == length).then_some(text)
}

fn serialized(plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut text = format!("s:{}:\"", plain.len()).into_bytes();
    text.extend_from_slice(plain);
    text.extend_from_slice(b"\";");
    Zeroizing::new(text)
}

impl TokenCodec for Laravel {
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError> {
        let bytes = stored.as_bytes().ok_or(CodecError::Malformed)?;
        let Some(envelope) = Envelope::of(bytes) else {
            return Ok(Opened::new(bytes.to_vec(), KeyUse::None));
        };
        let (plain, place) = self.unseal(&envelope)?;
        let token = unserialized(&plain).unwrap_or(&plain).to_vec();
        Ok(Opened::new(token, KeyUse::at(place)))
    }

    /// Keeps the form of the stored value: plain stays plain, serialised stays serialised.
    fn seal(&self, plain: &[u8], like: &Cell, now: Timestamp) -> Result<Cell, CodecError> {
        let Some(before) = like.as_bytes().and_then(Envelope::of) else {
            return super::Plain.seal(plain, like, now);
        };
        let is_serialized =
            self.unseal(&before).is_ok_and(|(plain, _)| unserialized(&plain).is_some());
        let plain = if is_serialized { serialized(plain) } else { Zeroizing::new(plain.to_vec()) };
        let key = self.0.first().ok_or(CodecError::NoKey)?;
        let iv: [u8; IV_BYTES] = crypto::random()?;
        let (value, iv) = (to_base64(&crypto::seal_cbc(key, &iv, &plain)?), to_base64(&iv));
        let mac = Envelope::mac(key, &iv, &value).ok_or(CodecError::Malformed)?;
        let mac = to_hex(&mac.finalize().into_bytes());
        let envelope = Envelope { iv, value, mac, tag: String::new() };
        let json = serde_json::to_vec(&envelope).map_err(|_| CodecError::Malformed)?;
        Ok(Cell::Text(to_base64(&json)))
    }
}

impl fmt::Debug for Laravel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Laravel({} keys)", self.0.len())
    }
}

//! better-auth's tokens.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use session_core::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::crypto::{from_hex, to_hex};
use super::{CodecError, KeyUse, Opened, SourceKeys, TokenCodec, crypto};
use crate::sql::Cell;

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// The length in hexadecimal of an encrypted token of one byte.
const MIN_HEX_CHARACTERS: usize = 2 * (NONCE_BYTES + TAG_BYTES + 1);

/// better-auth's tokens: plain, or hexadecimal of a nonce and XChaCha20-Poly1305 under SHA-256 of
/// the secret, bare or as `$ba$VERSION$…`.
///
/// A table mixes both once `account.encryptOAuthTokens` was switched on. A value with the form of a
/// ciphertext must open under one of the keys, which the cipher authenticates; everything else, and
/// hexadecimal that is too short for a ciphertext, is plain.
pub struct BetterAuth(Vec<Zeroizing<[u8; 32]>>);

/// A value with the form of a ciphertext.
struct Ciphertext<'a> {
    /// `$ba$2$`, or nothing.
    prefix: &'a str,
    bytes: Zeroizing<Vec<u8>>,
}

impl<'a> Ciphertext<'a> {
    fn of(text: &'a str) -> Option<Result<Self, CodecError>> {
        if let Some(rest) = text.strip_prefix("$ba$") {
            return Some(Self::enveloped(text, rest).ok_or(CodecError::Malformed));
        }
        let bytes = from_hex(text.as_bytes()).filter(|_| text.len() >= MIN_HEX_CHARACTERS)?;
        Some(Ok(Self { prefix: "", bytes }))
    }

    fn enveloped(text: &'a str, rest: &'a str) -> Option<Self> {
        let (version, hex) = rest.split_once('$')?;
        version.parse::<u32>().ok()?;
        let prefix = text.get(..text.len() - hex.len())?;
        Some(Self { prefix, bytes: from_hex(hex.as_bytes())? })
    }
}

impl BetterAuth {
    /// Creates the codec with these secrets.
    #[must_use]
    pub fn new(keys: &SourceKeys) -> Self {
        let key = |secret: &str| Zeroizing::new(Sha256::digest(secret.as_bytes()).into());
        Self(keys.iter().map(key).collect())
    }

    /// Returns the plaintext, and the index of the key that opened it.
    fn unseal(&self, sealed: &[u8]) -> Result<(Zeroizing<Vec<u8>>, usize), CodecError> {
        let (nonce, ciphertext) =
            sealed.split_first_chunk::<NONCE_BYTES>().ok_or(CodecError::Malformed)?;
        if self.0.is_empty() {
            return Err(CodecError::NoKey);
        }
        let opened = self.0.iter().enumerate().find_map(|(place, key)| {
            let plain = cipher(key).decrypt(&XNonce::from(*nonce), ciphertext).ok()?;
            Some((Zeroizing::new(plain), place))
        });
        opened.ok_or(CodecError::WrongKey)
    }
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

impl TokenCodec for BetterAuth {
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError> {
        let bytes = stored.as_bytes().ok_or(CodecError::Malformed)?;
        let ciphertext = std::str::from_utf8(bytes).ok().and_then(Ciphertext::of).transpose()?;
        let Some(ciphertext) = ciphertext else {
            return Ok(Opened::new(bytes.to_vec(), KeyUse::None));
        };
        let (plain, place) = self.unseal(&ciphertext.bytes)?;
        Ok(Opened { plain, key: KeyUse::at(place) })
    }

    /// Keeps the form of the stored value: plain stays plain, and a version keeps its key.
    fn seal(&self, plain: &[u8], like: &Cell, now: Timestamp) -> Result<Cell, CodecError> {
        let before = like.as_text().unwrap_or_default();
        let Some(Ok(before)) = Ciphertext::of(&before) else {
            return super::Plain.seal(plain, like, now);
        };
        let place = self.unseal(&before.bytes).map_or(0, |(_, place)| place);
        let key = self.0.get(place).ok_or(CodecError::NoKey)?;
        let nonce: [u8; NONCE_BYTES] = crypto::random()?;
        let mut sealed = nonce.to_vec();
        let ciphertext = cipher(key).encrypt(&XNonce::from(nonce), plain);
        sealed.extend(ciphertext.map_err(|_| CodecError::Malformed)?);
        Ok(Cell::Text(format!("{}{}", before.prefix, to_hex(&sealed))))
    }
}

impl fmt::Debug for BetterAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BetterAuth({} keys)", self.0.len())
    }
}

//! Grafana's tokens and data keys.

use std::collections::BTreeMap;
use std::fmt;

use aes::Aes256;
use aes::cipher::KeyIvInit;
use hmac::{Hmac, KeyInit, Mac};
use session_core::Timestamp;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::crypto::{self, IV_BYTES};
use super::crypto::{from_base64, to_base64};
use super::{CodecError, KeyUse, Opened, SourceKeys, TokenCodec};
use crate::sql::Cell;

const SALT_BYTES: usize = 8;

/// The algorithm of the open-source edition, as its values name it.
const ALGORITHM: &[u8] = b"aes-cfb";

/// The rounds of deriving a key, once for every value.
const ROUNDS: u32 = 10_000;

/// Grafana's tokens: base64 of a salt, an initialisation vector and AES-256-CFB, under a key that
/// is stored encrypted in the table `data_keys`, or in old rows under `secret_key` itself.
///
/// # Security
///
/// The form has no MAC: a wrong `secret_key` shows only by a plaintext that is not text. Deriving
/// the keys takes a few milliseconds per value.
pub struct Grafana {
    secrets: Vec<Zeroizing<Vec<u8>>>,
    data_keys: BTreeMap<String, Vec<DataKey>>,
}

/// The keys that may open a value, and the value without the key's id.
struct CandidateKeys<'a> {
    keys: Vec<(&'a [u8], KeyUse)>,
    value: &'a [u8],
}

struct DataKey {
    key: Zeroizing<Vec<u8>>,
    opened_by: KeyUse,
}

/// The rows of Grafana's `data_keys`: each key's id, and the encrypted key.
#[derive(Clone, Default)]
pub struct DataKeys(Vec<(String, Vec<u8>)>);

impl DataKeys {
    /// Creates an empty set.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a row.
    #[must_use]
    pub fn with(mut self, id: impl Into<String>, encrypted: impl Into<Vec<u8>>) -> Self {
        self.0.push((id.into(), encrypted.into()));
        self
    }

    /// Returns each id with its encrypted key.
    pub(super) fn contents(&self) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().map(|(id, key)| [id.as_bytes(), &[0], key].concat())
    }
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKeys({} keys)", self.0.len())
    }
}

impl Grafana {
    /// Creates the codec with these values of `secret_key`, and the data keys that they open.
    ///
    /// A data key is 16 random bytes, and its form has no MAC: which secret is right shows only by
    /// the values that the key opens.
    #[must_use]
    pub fn new(keys: &SourceKeys, data_keys: &DataKeys) -> Self {
        let secrets: Vec<_> =
            keys.iter().map(|secret| Zeroizing::new(secret.as_bytes().to_vec())).collect();
        let mut opened = BTreeMap::new();
        for (id, encrypted) in &data_keys.0 {
            let keys = secrets.iter().enumerate().filter_map(|(place, secret)| {
                let key = decrypt(secret, encrypted)?;
                Some(DataKey { key, opened_by: KeyUse::at(place) })
            });
            opened.insert(id.clone(), keys.collect());
        }
        Self { secrets, data_keys: opened }
    }

    fn candidates<'a>(&'a self, value: &'a [u8]) -> Option<CandidateKeys<'a>> {
        let Some(rest) = value.strip_prefix(b"#") else {
            let keys = self.secrets.iter().enumerate();
            let keys = keys.map(|(at, key)| (key.as_slice(), KeyUse::at(at))).collect();
            return Some(CandidateKeys { keys, value });
        };
        let end = rest.iter().position(|byte| *byte == b'#')?;
        let (id, value) = rest.split_at_checked(end)?;
        let id = from_base64(id)?;
        let keys = self.data_keys.get(std::str::from_utf8(&id).ok()?).into_iter().flatten();
        let keys = keys.map(|key| (key.key.as_slice(), key.opened_by)).collect();
        Some(CandidateKeys { keys, value: value.strip_prefix(b"#")? })
    }
}

/// Returns the value without the name of its algorithm, if it is the supported one, which a value
/// without a name has too.
fn payload(value: &[u8]) -> Option<&[u8]> {
    let Some(rest) = value.strip_prefix(b"*") else { return Some(value) };
    let end = rest.iter().position(|byte| *byte == b'*')?;
    let (name, payload) = rest.split_at_checked(end)?;
    let is_known = from_base64(name)?.as_slice() == ALGORITHM;
    payload.strip_prefix(b"*").filter(|_| is_known)
}

fn decrypt(secret: &[u8], value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, rest) = payload(value)?.split_first_chunk::<SALT_BYTES>()?;
    let (iv, ciphertext) = rest.split_first_chunk::<IV_BYTES>()?;
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    let key = derived(secret, salt)?;
    cfb_mode::Decryptor::<Aes256>::new_from_slices(key.as_slice(), iv).ok()?.decrypt(&mut plain);
    Some(plain)
}

fn encrypt(secret: &[u8], plain: &[u8]) -> Result<Vec<u8>, CodecError> {
    let (salt, iv): ([u8; SALT_BYTES], [u8; IV_BYTES]) = (crypto::random()?, crypto::random()?);
    let key = derived(secret, &salt).ok_or(CodecError::Malformed)?;
    let cipher = cfb_mode::Encryptor::<Aes256>::new_from_slices(key.as_slice(), &iv);
    let mut ciphertext = plain.to_vec();
    cipher.map_err(|_| CodecError::Malformed)?.encrypt(&mut ciphertext);
    let name = to_base64(ALGORITHM);
    let head = format!("*{}*", name.trim_end_matches('='));
    Ok([head.as_bytes(), &salt, &iv, &ciphertext].concat())
}

/// Derives a key of one block by PBKDF2 (RFC 8018, section 5.2) with HMAC-SHA256.
fn derived(secret: &[u8], salt: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    let round = |parts: [&[u8]; 2]| -> [u8; 32] {
        let mut mac = mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    let mut last = round([salt, &1_u32.to_be_bytes()]);
    let mut key = Zeroizing::new(last);
    for _ in 1..ROUNDS {
        last = round([&last, &[]]);
        key.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
    }
    last.zeroize();
    Some(key)
}

impl TokenCodec for Grafana {
    fn open(&self, stored: &Cell) -> Result<Opened, CodecError> {
        let text = stored.as_bytes().ok_or(CodecError::Malformed)?;
        let value = from_base64(text.trim_ascii()).ok_or(CodecError::Malformed)?;
        let CandidateKeys { keys, value } = self.candidates(&value).ok_or(CodecError::Malformed)?;
        if self.secrets.is_empty() {
            return Err(CodecError::NoKey);
        }
        if payload(value).is_none_or(|payload| payload.len() < SALT_BYTES + IV_BYTES) {
            return Err(CodecError::Malformed);
        }
        let opened = keys.into_iter().find_map(|(key, used)| {
            let plain = decrypt(key, value)?;
            // A token is printable ASCII (RFC 6749, appendix A); a wrong key gives random bytes.
            let is_token = plain.iter().all(|byte| matches!(byte, 0x20..=0x7e));
            is_token.then_some(Opened { plain, key: used })
        });
        opened.ok_or(CodecError::WrongKey)
    }

    /// Uses the data key of the stored value, or `secret_key` itself where there is none.
    fn seal(&self, plain: &[u8], like: &Cell, _now: Timestamp) -> Result<Cell, CodecError> {
        let before = like.as_bytes().and_then(|text| from_base64(text.trim_ascii()));
        let before = before.unwrap_or_default();
        let found = self.candidates(&before).ok_or(CodecError::Malformed)?;
        let (key, _) = found.keys.first().ok_or(CodecError::NoKey)?;
        let head = before.get(..before.len() - found.value.len()).unwrap_or_default();
        let value = [head, &encrypt(key, plain)?].concat();
        Ok(Cell::Text(to_base64(&value)))
    }
}

impl fmt::Debug for Grafana {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grafana")
            .field("secrets", &self.secrets.len())
            .field("data_keys", &self.data_keys.len())
            .finish()
    }
}

//! The secret in a cookie, and the digest that is stored of it.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Random bytes in a secret: 256 bits (OWASP asks for 64, ASVS 7.2.3 for 128).
const RANDOM_BYTES: usize = 32;

/// The number of characters in the text of a secret.
const TEXT_LENGTH: usize = 43;

/// 256 random bits as base64url text: all that a cookie holds.
///
/// # Security
///
/// Never stored and never logged: `Debug` is redacted, memory is wiped on drop, and only
/// [`digest`](Self::digest) leaves the process.
///
/// ```
/// use session_core::session::SessionSecret;
///
/// let secret = SessionSecret::generate().unwrap();
/// assert_eq!(SessionSecret::digest_of(secret.expose()), Some(secret.digest()));
/// assert_eq!(SessionSecret::digest_of("a value that was not issued here"), None);
/// assert_eq!(format!("{secret:?}"), "SessionSecret(..)");
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionSecret(String);

impl SessionSecret {
    /// Creates a new secret from the randomness of the operating system.
    ///
    /// # Errors
    ///
    /// Returns [`RandomnessError`] if the operating system provides no randomness.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut bytes = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(RandomnessError)?;
        let text = Base64UrlUnpadded::encode_string(&bytes);
        bytes.zeroize();
        Ok(Self(text))
    }

    /// Returns the digest of a cookie's value, or `None` if the value has not the form of a secret
    /// (S5). Does not allocate.
    #[must_use]
    pub fn digest_of(value: &str) -> Option<SecretDigest> {
        let bytes: &[u8; TEXT_LENGTH] = value.as_bytes().try_into().ok()?;
        // Checks all bytes without a branch, which compiles to a few wide instructions.
        let is_base64url = |b: u8| b.is_ascii_alphanumeric() | (b == b'-') | (b == b'_');
        let well_formed = bytes.iter().fold(true, |all, byte| all & is_base64url(*byte));
        well_formed.then(|| SecretDigest::of(value))
    }

    /// Returns the digest, which is what a store keeps.
    #[must_use]
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }

    /// Returns the text for the cookie.
    ///
    /// # Security
    ///
    /// The text alone authenticates the user: put it into the cookie and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(..)")
    }
}

/// The operating system provides no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system provides no randomness")]
pub struct RandomnessError(#[source] pub(crate) getrandom::Error);

/// SHA-256 of the text of a cookie's value: stored, unique, and the key of the cache.
///
/// A fast hash is enough, since the input has 256 random bits and cannot be guessed.
///
/// ```
/// use session_core::session::SecretDigest;
///
/// assert_eq!(SecretDigest::of("a"), SecretDigest::of("a"));
/// assert_ne!(SecretDigest::of("a"), SecretDigest::of("b"));
/// ```
#[derive(Clone, Copy, Hash)]
#[expect(clippy::derived_hash_with_manual_eq, reason = "equality is the same, in constant time")]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Returns the digest of the text of a cookie's value.
    #[must_use]
    pub fn of(value: &str) -> Self {
        Self(Sha256::digest(value.as_bytes()).into())
    }

    /// Creates the digest with these bytes, as a store has read them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for a store to write.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn words(&self) -> [u64; 4] {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(self.0.as_chunks::<8>().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        words
    }
}

impl PartialEq for SecretDigest {
    /// Compares in constant time, and by words, since a cache compares at each request.
    fn eq(&self, other: &Self) -> bool {
        self.words().ct_eq(&other.words()).into()
    }
}

impl Eq for SecretDigest {}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

//! The secret that a cookie holds, and the digest by which a store knows it.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of randomness in a secret: 256 bits (OWASP asks for 64, ASVS 7.2.3 for 128).
const RANDOM_BYTES: usize = 32;

/// Characters of a secret's text.
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
/// assert_eq!(SessionSecret::digest_of("chosen by somebody else"), None);
/// assert_eq!(format!("{secret:?}"), "SessionSecret(..)");
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionSecret(String);

impl SessionSecret {
    /// A new secret from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`RandomnessError`] if the operating system gives none; nobody is signed in then.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut bytes = [0_u8; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(RandomnessError)?;
        let text = Base64UrlUnpadded::encode_string(&bytes);
        bytes.zeroize();
        Ok(Self(text))
    }

    /// The digest of a cookie's value, if the value has the form of a secret (S5); no allocation.
    #[must_use]
    pub fn digest_of(value: &str) -> Option<SecretDigest> {
        let bytes: &[u8; TEXT_LENGTH] = value.as_bytes().try_into().ok()?;
        // All bytes are looked at: that takes the compiler a few wide instructions.
        let is_base64url = |b: u8| b.is_ascii_alphanumeric() | (b == b'-') | (b == b'_');
        let well_formed = bytes.iter().fold(true, |all, byte| all & is_base64url(*byte));
        well_formed.then(|| SecretDigest::of(value))
    }

    /// The digest by which the store knows this secret.
    #[must_use]
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.0)
    }

    /// The text for the cookie.
    ///
    /// # Security
    ///
    /// Whoever has this text is the user.
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

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("no randomness from the operating system")]
pub struct RandomnessError(#[source] pub(crate) getrandom::Error);

/// SHA-256 of a cookie value's text: what is stored, unique, and the key of the cache.
///
/// A fast hash is right here: the input has 256 random bits, so there is nothing to guess.
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
    /// The digest of a cookie value's text.
    #[must_use]
    pub fn of(value: &str) -> Self {
        Self(Sha256::digest(value.as_bytes()).into())
    }

    /// The digest with these bytes, as a store read them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes, for a store to write.
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
    /// In constant time; by words, for a cache compares at each request.
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

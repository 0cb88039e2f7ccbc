//! Random tokens and their digests.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

/// The SHA-256 of a token, by which the ledger stores it: the time of a lookup reveals nothing, and
/// tokens are not printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest")
    }
}

/// Returns 256 random bits in base64url.
pub(crate) fn random_token() -> String {
    Base64UrlUnpadded::encode_string(&rand::random::<[u8; 32]>())
}

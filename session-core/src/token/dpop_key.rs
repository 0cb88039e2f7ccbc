//! The key that a session's tokens are bound to (DPoP, RFC 9449).

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serializer};

/// The private key of one session: the tokens that are bound to it are of no use without it (DPoP,
/// RFC 9449).
///
/// It is sealed with the tokens. A process that is built without the feature `dpop` keeps it, and
/// cannot use it.
///
/// # Security
///
/// The key only signs; nothing returns it. `Debug` is redacted, and memory is wiped on drop.
#[derive(Clone, Deserialize)]
pub struct DpopKey(SecretString);

impl DpopKey {
    /// Wraps the base64url of a private key, as RFC 7518 (section 6.2.2.1) writes it.
    #[cfg(feature = "dpop")]
    pub(crate) const fn from_encoded(encoded: SecretString) -> Self {
        Self(encoded)
    }

    /// Returns the base64url of the private key.
    pub(crate) fn encoded(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Returns whether a token of this type is bound to a key (RFC 9449, section 5).
pub(super) fn is_dpop(token_type: Option<&str>) -> bool {
    token_type.is_some_and(|token_type| token_type.eq_ignore_ascii_case("DPoP"))
}

/// Writes a key that is about to be sealed. `DpopKey` itself does not serialize.
pub(super) fn exposed<S: Serializer>(
    key: &Option<DpopKey>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match key {
        Some(key) => serializer.serialize_some(key.encoded()),
        None => serializer.serialize_none(),
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DpopKey(..)")
    }
}

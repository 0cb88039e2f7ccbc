//! Signatures of JSON web tokens that are no ID tokens (RFC 7515).

use openidconnect::JsonWebKey as _;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use serde::Deserialize;

/// Returns whether a MAC is as long as its algorithm makes it: the openidconnect crate panics at any
/// other length, and anyone can send one. Other signatures are checked there.
pub(super) const fn has_length_of(algorithm: &CoreJwsSigningAlgorithm, signature: &[u8]) -> bool {
    match algorithm {
        CoreJwsSigningAlgorithm::HmacSha256 => signature.len() == 32,
        CoreJwsSigningAlgorithm::HmacSha384 => signature.len() == 48,
        CoreJwsSigningAlgorithm::HmacSha512 => signature.len() == 64,
        _ => true,
    }
}

/// The header of a signed token.
#[derive(Deserialize)]
pub(super) struct JwsHeader {
    pub(super) alg: CoreJwsSigningAlgorithm,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that must be understood: none is (RFC 7515, section 4.1.11).
    crit: Option<serde_json::Value>,
}

impl JwsHeader {
    /// Returns whether the token has this type, or, where that is accepted, none or `JWT`.
    pub(super) fn is_typed(&self, expected: &str, accepts_untyped: bool) -> bool {
        let typ = self.typ.as_deref().map(str::to_ascii_lowercase);
        let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        match typ {
            Some(typ) if typ == expected => true,
            None | Some("jwt") => accepts_untyped,
            Some(_) => false,
        }
    }

    /// Returns whether one of these keys has signed the message: the one with the token's key id, or
    /// any where the token or the key has none.
    pub(super) fn is_signed_by(
        &self,
        keys: &CoreJsonWebKeySet,
        algorithm: &CoreJwsSigningAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let has_id = |key: &&CoreJsonWebKey| match (&self.kid, key.key_id()) {
            (Some(wanted), Some(id)) => wanted == id.as_str(),
            _ => true,
        };
        let is_valid =
            |key: &CoreJsonWebKey| key.verify_signature(algorithm, message, signature).is_ok();
        self.crit.is_none() && keys.keys().iter().filter(has_id).any(is_valid)
    }
}

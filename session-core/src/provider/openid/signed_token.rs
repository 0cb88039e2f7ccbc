//! Signed tokens of a provider that are no ID tokens: their parts, and the check of their signature.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use openidconnect::JwsSigningAlgorithm as _;
use openidconnect::core::CoreJsonWebKeySet;
#[cfg(feature = "shared-signals")]
use openidconnect::core::CoreJwsSigningAlgorithm;
use serde::Deserialize;

use super::keys::KeySet;
use super::provider::OpenIdProvider;
use super::signature::JwsHeader;
use crate::clock::Timestamp;
use crate::provider::ProviderError;

/// The maximum length of a token, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// The maximum length of the token's own id, in bytes: it is remembered.
const MAX_ID_BYTES: usize = 256;

/// How far the provider's clock and ours may differ.
pub(super) const LEEWAY: Duration = Duration::from_secs(60);

/// The algorithms of keys that are not in the provider's own discovery document.
#[cfg(feature = "shared-signals")]
const ASYMMETRIC: [CoreJwsSigningAlgorithm; 7] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why a token is not one that the provider has signed.
pub(super) enum SignedTokenError {
    Algorithm,
    Malformed,
    Signature,
    Type,
    Unavailable(ProviderError),
}

impl From<ProviderError> for SignedTokenError {
    fn from(error: ProviderError) -> Self {
        Self::Unavailable(error)
    }
}

/// Which type a token must have, and who may have signed it.
#[derive(Clone, Copy)]
pub(super) struct SignatureRule<'a> {
    pub(super) typ: &'static str,
    pub(super) accepts_untyped: bool,
    /// Whether the client's secret may have signed it, where the provider announces that.
    pub(super) accepts_secret: bool,
    /// Other keys than the provider's.
    #[cfg_attr(not(feature = "shared-signals"), allow(dead_code, reason = "none has other keys"))]
    pub(super) keys: Option<&'a KeySet>,
}

/// The parts of a token, still encoded.
pub(super) struct SignedToken<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// What is signed: the first two.
    signed: &'a str,
}

impl<'a> SignedToken<'a> {
    pub(super) fn of(token: &'a str) -> Result<Self, SignedTokenError> {
        let malformed = SignedTokenError::Malformed;
        if token.len() > MAX_BYTES {
            return Err(malformed);
        }
        let parts = token.rsplit_once('.').and_then(|(signed, signature)| {
            let (header, payload) = signed.split_once('.')?;
            Some(Self { header, payload, signature, signed })
        });
        parts.ok_or(malformed)
    }

    /// Parses the claims, which nothing has verified yet.
    pub(super) fn unverified<T: for<'de> Deserialize<'de>>(&self) -> Result<T, SignedTokenError> {
        json(self.payload)
    }
}

impl OpenIdProvider {
    /// Checks type, algorithm and signature of a token. If the key is unknown, the keys are fetched
    /// again.
    pub(super) async fn check_signature(
        &self,
        token: &SignedToken<'_>,
        rule: SignatureRule<'_>,
    ) -> Result<(), SignedTokenError> {
        let header: JwsHeader = json(token.header)?;
        if !header.is_typed(rule.typ, rule.accepts_untyped) {
            return Err(SignedTokenError::Type);
        }
        if header.alg.uses_shared_secret() && !rule.accepts_secret {
            return Err(SignedTokenError::Algorithm);
        }
        let (message, signature) = (token.signed.as_bytes(), decoded(token.signature)?);
        #[cfg(feature = "shared-signals")]
        if let Some(keys) = rule.keys {
            if !ASYMMETRIC.contains(&header.alg) {
                return Err(SignedTokenError::Algorithm);
            }
            let is_signed = |keys: &CoreJsonWebKeySet| {
                header.is_signed_by(keys, &header.alg, message, &signature)
            };
            return self.check_with(keys, is_signed).await;
        }
        let discovered = self.discovered().await.map_err(ProviderError::from)?;
        let check = &discovered.metadata.id_token;
        let algorithm = check.algorithm(&header.alg).ok_or(SignedTokenError::Algorithm)?;
        let is_signed = |keys: &CoreJsonWebKeySet| {
            check.is_signed(&header, &algorithm, message, &signature, keys)
        };
        self.check_with(&discovered.keys, is_signed).await
    }

    async fn check_with(
        &self,
        keys: &KeySet,
        is_signed: impl Fn(&CoreJsonWebKeySet) -> bool,
    ) -> Result<(), SignedTokenError> {
        let current = keys.current();
        if is_signed(&current) {
            return Ok(());
        }
        let newer = keys.newer_than(&current, &self.transport).await?;
        match newer.is_some_and(|newer| is_signed(&newer)) {
            true => Ok(()),
            false => Err(SignedTokenError::Signature),
        }
    }
}

/// The claim `aud`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(super) fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }

    /// Returns whether this is the only audience.
    #[cfg(feature = "shared-signals")]
    pub(super) fn is_only(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => matches!(&several[..], [one] if one == audience),
        }
    }
}

/// Returns the token's own id if it is one that can be remembered.
pub(super) fn own_id(jti: Option<String>) -> Option<String> {
    jti.filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES)
}

/// Converts seconds since the Unix epoch, if they are a time of this era.
#[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
pub(super) fn instant(seconds: f64) -> Option<Timestamp> {
    const MAX_SECONDS: f64 = 253_402_300_799.0;
    let is_time = seconds.is_finite() && (0.0..=MAX_SECONDS).contains(&seconds);
    is_time.then(|| Timestamp::from_millis((seconds * 1000.0) as i64))
}

fn decoded(part: &str) -> Result<Vec<u8>, SignedTokenError> {
    Base64UrlUnpadded::decode_vec(part).map_err(|_| SignedTokenError::Malformed)
}

fn json<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, SignedTokenError> {
    serde_json::from_slice(&decoded(part)?).map_err(|_| SignedTokenError::Malformed)
}

//! The signing key.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey};
use openidconnect::{JsonWebKeyId, JsonWebKeySet, PrivateSigningKey};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{EncodeRsaPrivateKey, LineEnding};
use rsa::traits::PublicKeyParts;
use serde_json::Value;
use sha2::{Digest, Sha256};

const KEY_BITS: usize = 2048;

/// The RSA key that signs ID tokens with RS256. Clones share it.
///
/// Generating a key takes a noticeable part of a second: a test process generates one and gives clones
/// to all its providers.
#[derive(Clone)]
pub struct SigningKey {
    key: Arc<CoreRsaPrivateSigningKey>,
    id: String,
}

impl SigningKey {
    /// Generates a key of 2048 bits. Its id is a digest of the public key.
    ///
    /// # Errors
    ///
    /// Returns a [`KeyError`] if the key cannot be generated or encoded.
    pub fn generate() -> Result<Self, KeyError> {
        let key =
            RsaPrivateKey::new(&mut rand::rngs::OsRng, KEY_BITS).map_err(KeyError::Generate)?;
        let id = key_id(&key);
        let pem = key.to_pkcs1_pem(LineEnding::LF).map_err(KeyError::Encode)?;
        let key = CoreRsaPrivateSigningKey::from_pem(&pem, Some(JsonWebKeyId::new(id.clone())))
            .map_err(|_| KeyError::Import)?;
        Ok(Self { key: Arc::new(key), id })
    }

    /// Signs any claims as a JSON web token with RS256: for tokens of another kind, or wrong ones. The
    /// header gets the algorithm and the key's id, unless it has its own.
    ///
    /// # Errors
    ///
    /// Returns a [`KeyError`] if the signing library fails.
    pub fn sign(&self, header: Value, claims: &Value) -> Result<String, KeyError> {
        let mut header = header;
        if let Some(fields) = header.as_object_mut() {
            fields.entry("alg").or_insert_with(|| "RS256".into());
            fields.entry("kid").or_insert_with(|| self.id.clone().into());
        }
        let part = |json: &Value| Base64UrlUnpadded::encode_string(json.to_string().as_bytes());
        let signed = format!("{}.{}", part(&header), part(claims));
        let algorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
        let signature = self.key.sign(&algorithm, signed.as_bytes()).map_err(|_| KeyError::Sign)?;
        Ok(format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature)))
    }

    pub(crate) fn private(&self) -> &CoreRsaPrivateSigningKey {
        &self.key
    }

    pub(crate) fn public_set(&self) -> CoreJsonWebKeySet {
        JsonWebKeySet::new(vec![self.key.as_verification_key()])
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a signing key could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key could not be encoded for the signing library.
    #[error("encode the signing key")]
    Encode(#[source] rsa::pkcs1::Error),
    /// The key could not be generated.
    #[error("generate the signing key")]
    Generate(#[source] rsa::Error),
    /// The signing library rejected the key. Its error is left out, because it may contain the key.
    #[error("import the signing key")]
    Import,
    /// The signing library did not sign. Its error is left out, because it may contain the key.
    #[error("sign a token")]
    Sign,
}

fn key_id(key: &RsaPrivateKey) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(key.n().to_bytes_be()))
        .chars()
        .take(16)
        .collect()
}

//! Keys of P-256, and their signatures (ES256; RFC 7518, section 3.4).

use base64ct::{Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use secrecy::SecretString;
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::ProofError;
use crate::session::RandomnessError;
use crate::token::DpopKey;

const KEY_BYTES: usize = 32;

/// The public key (RFC 7518, section 6.2.1), its members in the order of a thumbprint (RFC 7638).
#[derive(Serialize)]
pub(super) struct PublicJwk {
    crv: &'static str,
    kty: &'static str,
    x: String,
    y: String,
}

/// A key that is ready to sign.
pub(super) struct Signing(SigningKey);

/// # Keys of DPoP
impl DpopKey {
    /// Creates a new key of the curve P-256 from the randomness of the operating system.
    ///
    /// # Errors
    ///
    /// Returns [`RandomnessError`] if the operating system provides no randomness.
    pub fn generate() -> Result<Self, RandomnessError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        // All but one in 2^32 are keys.
        while SigningKey::from_slice(bytes.as_slice()).is_err() {
            getrandom::fill(bytes.as_mut_slice()).map_err(RandomnessError)?;
        }
        let encoded = Base64UrlUnpadded::encode_string(bytes.as_slice());
        Ok(Self::from_encoded(SecretString::from(encoded)))
    }

    /// Returns the thumbprint of the public key (RFC 7638), by which servers name it: the `jkt` of
    /// the tokens that are bound to it (RFC 9449, section 6.1). It is no secret.
    ///
    /// # Errors
    ///
    /// Returns [`ProofError`] if this is no key of the curve.
    pub fn thumbprint(&self) -> Result<String, ProofError> {
        Ok(Signing::of(self)?.public_key().thumbprint())
    }
}

impl Signing {
    pub(super) fn of(key: &DpopKey) -> Result<Self, ProofError> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        let length = Base64UrlUnpadded::decode(key.encoded(), bytes.as_mut_slice());
        let is_whole = length.is_ok_and(|bytes| bytes.len() == KEY_BYTES);
        let signing = SigningKey::from_slice(bytes.as_slice()).ok().filter(|_| is_whole);
        signing.map(Self).ok_or(ProofError::InvalidKey)
    }

    pub(super) fn public_key(&self) -> PublicJwk {
        PublicJwk::of(self.0.verifying_key())
    }

    /// Returns the signature of a JWS in its encoding: `r` and `s` of 32 bytes each.
    pub(super) fn sign(&self, input: &str) -> String {
        let signature: Signature = self.0.sign(input.as_bytes());
        Base64UrlUnpadded::encode_string(&signature.to_bytes())
    }
}

impl PublicJwk {
    fn of(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        let coordinate =
            |bytes: Option<&[u8]>| Base64UrlUnpadded::encode_string(bytes.unwrap_or_default());
        Self {
            crv: "P-256",
            kty: "EC",
            x: coordinate(point.x().map(|x| x.as_slice())),
            y: coordinate(point.y().map(|y| y.as_slice())),
        }
    }

    fn thumbprint(&self) -> String {
        let Self { crv, kty, x, y } = self;
        let members = format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#);
        Base64UrlUnpadded::encode_string(&Sha256::digest(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(encoded: &str) -> DpopKey {
        DpopKey::from_encoded(SecretString::from(encoded))
    }

    #[test]
    fn the_public_key_is_that_of_rfc_7515() {
        // RFC 7515, appendix A.3.1.
        let key = key("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
        let public = Signing::of(&key).unwrap().public_key();
        assert_eq!(public.x, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        assert_eq!(public.y, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_9449() {
        // The key of RFC 9449, section 4.1, and its `jkt` of section 6.1.
        let public = PublicJwk {
            crv: "P-256",
            kty: "EC",
            x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs".to_owned(),
            y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA".to_owned(),
        };
        assert_eq!(public.thumbprint(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn no_two_keys_are_alike_and_no_other_text_is_one() {
        let [one, other] = [(); 2].map(|()| DpopKey::generate().unwrap().thumbprint().unwrap());
        assert_ne!(one, other);
        let zero = Base64UrlUnpadded::encode_string(&[0; KEY_BYTES]);
        let long = Base64UrlUnpadded::encode_string(&[1; KEY_BYTES + 1]);
        let short = Base64UrlUnpadded::encode_string(&[1; KEY_BYTES - 1]);
        for text in ["", "no key", &zero, &long, &short] {
            let error = key(text).thumbprint().unwrap_err();
            assert!(matches!(error, ProofError::InvalidKey), "{text}");
            assert!(text.is_empty() || !format!("{error:?} {error}").contains(text));
        }
    }
}

//! Proofs: a JWT that says which request its sender makes, signed with the key (RFC 9449, section 4).

use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderValue, Method, Uri};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::ProofError;
use super::key::{PublicJwk, Signing};
use super::target::Target;
use crate::clock::Timestamp;
use crate::session::RandomnessError;
use crate::token::{DpopKey, ResourceToken, TokenSet};

/// Random bytes in the `jti`: 128 bits (RFC 9449, section 4.2, asks for 96).
const RANDOM_BYTES: usize = 16;

/// One request for which a proof is made: its method and address, the time, and the server's nonce.
#[derive(Debug, Clone)]
#[must_use]
pub struct ProofRequest<'a> {
    method: &'a Method,
    uri: &'a Uri,
    issued_at: Timestamp,
    nonce: Option<&'a str>,
}

impl<'a> ProofRequest<'a> {
    /// Creates a request to an absolute address, whose query does not count, that is sent now.
    pub const fn new(method: &'a Method, uri: &'a Uri, now: Timestamp) -> Self {
        Self { method, uri, issued_at: now, nonce: None }
    }

    /// Sets the last nonce that the server has given in a `DPoP-Nonce` header, if it has given one;
    /// [`DpopNonces`](super::DpopNonces) remembers them.
    pub const fn with_nonce(mut self, nonce: Option<&'a str>) -> Self {
        self.nonce = nonce;
        self
    }
}

#[derive(Serialize)]
struct ProofHeader {
    typ: &'static str,
    alg: &'static str,
    jwk: PublicJwk,
}

#[derive(Serialize)]
struct ProofClaims<'a> {
    jti: String,
    htm: &'a str,
    htu: String,
    /// Epoch seconds.
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

/// # Proofs of DPoP
impl TokenSet {
    /// Returns the value of the `DPoP` header for one request with the access token, which is sent as
    /// `Authorization: DPoP` (RFC 9449, section 7.1). Each request, also a repeated one, needs a proof
    /// of its own.
    ///
    /// # Errors
    ///
    /// Returns [`ProofError`] if the access token is not bound to a key, or the address of the request
    /// is not absolute.
    pub fn dpop_proof(&self, request: &ProofRequest<'_>) -> Result<HeaderValue, ProofError> {
        self.dpop_key().ok_or(ProofError::NoKey)?.proof(request, Some(self.access_token()))
    }
}

/// # Proofs of DPoP
impl ResourceToken {
    /// Returns the value of the `DPoP` header for one request with the token, like
    /// [`TokenSet::dpop_proof`].
    ///
    /// # Errors
    ///
    /// Returns [`ProofError`] like [`TokenSet::dpop_proof`].
    pub fn dpop_proof(&self, request: &ProofRequest<'_>) -> Result<HeaderValue, ProofError> {
        self.dpop_key().ok_or(ProofError::NoKey)?.proof(request, Some(self.access_token()))
    }
}

/// # Proofs of DPoP
impl DpopKey {
    /// Returns the value of the `DPoP` header for one request: with an access token, or without one
    /// for a token endpoint.
    ///
    /// # Errors
    ///
    /// Returns [`ProofError`] if the address of the request is not absolute.
    pub fn proof(
        &self,
        request: &ProofRequest<'_>,
        access_token: Option<&str>,
    ) -> Result<HeaderValue, ProofError> {
        let signing = Signing::of(self)?;
        let claims = ProofClaims {
            jti: random_id()?,
            htm: request.method.as_str(),
            htu: Target::of(request.uri).ok_or(ProofError::Address)?.htu(),
            iat: request.issued_at.as_millis().div_euclid(1000),
            ath: access_token.map(hash),
            nonce: request.nonce,
        };
        let header = ProofHeader { typ: "dpop+jwt", alg: "ES256", jwk: signing.public_key() };
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature = signing.sign(&input);
        let proof = HeaderValue::try_from(format!("{input}.{signature}"));
        let mut proof = proof.map_err(|_| ProofError::InvalidKey)?;
        proof.set_sensitive(true);
        Ok(proof)
    }
}

/// Returns the `ath` of an access token.
fn hash(access_token: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(access_token))
}

fn random_id() -> Result<String, RandomnessError> {
    let mut bytes = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(RandomnessError)?;
    Ok(Base64UrlUnpadded::encode_string(&bytes))
}

/// Returns a part of a JWT. Texts and numbers always serialize.
fn part(value: &impl Serialize) -> String {
    Base64UrlUnpadded::encode_string(&serde_json::to_vec(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_hash_of_a_token_is_that_of_rfc_9449() {
        // RFC 9449, section 7.1.
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        assert_eq!(hash(token), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    }
}

//! Reads proofs as a server does (RFC 9449, section 4.3), with the openidconnect crate's signatures.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use openidconnect::JsonWebKey as _;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm};
use serde_json::{Value, json};
use session_core::Timestamp;
use sha2::{Digest, Sha256};

/// A proof whose form and signature are right.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The thumbprint of its key (RFC 7638).
    pub jkt: String,
    pub claims: Value,
}

impl Proof {
    /// Reads a proof; `None` if it is not one of its key.
    pub fn read(jwt: &str) -> Option<Self> {
        let (input, signature) = jwt.rsplit_once('.')?;
        let (header, claims) = input.split_once('.')?;
        let json = |part: &str| -> Option<Value> {
            serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).ok()?).ok()
        };
        let (header, claims) = (json(header)?, json(claims)?);
        let is_typed = header["typ"] == "dpop+jwt" && header["alg"] == "ES256";
        let jwk = header["jwk"].as_object()?;
        let names: Vec<&str> = jwk.keys().map(String::as_str).collect();
        assert_eq!(names, ["crv", "kty", "x", "y"], "the public key and nothing else");
        let key: CoreJsonWebKey = serde_json::from_value(header["jwk"].clone()).ok()?;
        let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
        let algorithm = CoreJwsSigningAlgorithm::EcdsaP256Sha256;
        key.verify_signature(&algorithm, input.as_bytes(), &signature).ok()?;
        // Sorted, as serde_json writes maps.
        let members = json!({ "crv": jwk["crv"], "kty": jwk["kty"], "x": jwk["x"], "y": jwk["y"] });
        let jkt = Base64UrlUnpadded::encode_string(&Sha256::digest(members.to_string()));
        is_typed.then_some(Self { jkt, claims })
    }

    /// Checks that the proof is for this request, made at this moment, and returns its `jti`.
    pub fn assert_for(&self, method: &str, htu: &str, now: Timestamp) -> String {
        assert_eq!(
            (self.claims["htm"].as_str(), self.claims["htu"].as_str()),
            (Some(method), Some(htu))
        );
        let issued_at = Timestamp::from_millis(self.claims["iat"].as_i64().unwrap() * 1000);
        assert!(issued_at <= now && now.since(issued_at) < Duration::from_secs(1), "{self:?}");
        self.claims["jti"].as_str().unwrap().to_owned()
    }
}

/// Returns the `ath` of an access token.
pub fn hash(access_token: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(access_token))
}

#[test]
fn a_proof_of_rfc_9449_is_read_and_a_changed_one_is_not() {
    // RFC 9449, section 4.1.
    let jwt = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMz\
        R0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10Nn\
        Y5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TV\
        CIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP\
        4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let proof = Proof::read(jwt).unwrap();
    assert_eq!(proof.jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    let issued_at = Timestamp::from_millis(1_562_262_616_000);
    let jti = proof.assert_for("POST", "https://server.example.com/token", issued_at);
    assert_eq!(jti, "-BwC3ESc6acc2lTc");
    assert!(Proof::read(&jwt.replace("eyJqdGki", "eyJqdGkj")).is_none());
    assert!(Proof::read(&jwt.replace("2-GxA6T8", "3-GxA6T8")).is_none());
}

//! An issuer whose answers are an input.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, Response};
use serde_json::json;
use session_core::provider::openid::{OpenIdBuilder, OpenIdProvider};
use session_core::testing::FakeClock;
use sha2::Sha256;

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const CLIENT_ID: &str = "my-client";
pub(crate) const CLIENT_SECRET: &str = "cl13nt-s3cret-of-32-bytes-or-more";

const DOCUMENT_PATH: &str = "/.well-known/openid-configuration";

/// Returns the builder of a client of an issuer that answers discovery with the first body, and
/// everything else with the second.
pub(crate) fn client_of(document: Vec<u8>, other: Vec<u8>) -> OpenIdBuilder {
    let answer = move |request: Request<Vec<u8>>| {
        let is_document = request.uri().path() == DOCUMENT_PATH;
        let body = if is_document { document.clone() } else { other.clone() };
        ready(Ok::<_, Infallible>(Response::new(body)))
    };
    OpenIdProvider::builder(ISSUER, CLIENT_ID, answer)
        .with_client_secret(CLIENT_SECRET.to_owned().into())
        .with_clock(Arc::new(FakeClock::new()))
}

/// Returns the discovery document of an issuer that signs with the client's secret too.
pub(crate) fn document() -> Vec<u8> {
    let document = json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": format!("{ISSUER}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["HS256", "RS256", "none"],
    });
    document.to_string().into_bytes()
}

/// Signs a token as the issuer does, with the client's secret.
pub(crate) fn signed(header: &[u8], claims: &[u8]) -> String {
    let encode = Base64UrlUnpadded::encode_string;
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = encode(&mac(&message).finalize().into_bytes());
    format!("{message}.{signature}")
}

/// Returns whether the issuer has signed this token.
pub(crate) fn is_signed(token: &str) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else { return false };
    let signature = Base64UrlUnpadded::decode_vec(signature);
    signature.is_ok_and(|signature| mac(message).verify_slice(&signature).is_ok())
}

fn mac(message: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(CLIENT_SECRET.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac
}

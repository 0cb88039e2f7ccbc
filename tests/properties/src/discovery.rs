//! Discovery documents and key sets: what is accepted names this issuer and https alone.

use futures_util::FutureExt as _;
use http::Uri;
use serde_json::Value;
use session_core::provider::openid::{Endpoints, OpenIdProvider, SetupError};

use crate::hidden::{CANARY, assert_debug_hides, assert_hidden};
use crate::issuer::{CLIENT_SECRET, ISSUER, client_of, document};

/// Checks a body as the discovery document, or behind a `k` as the set of keys.
pub(crate) fn check(input: &[u8]) {
    match input.strip_prefix(b"k") {
        Some(keys) => check_keys(keys),
        None => check_document(input),
    }
}

fn check_document(input: &[u8]) {
    let provider = client_of(input.to_vec(), b"{\"keys\": []}".to_vec()).build().unwrap();
    assert_debug_hides(&provider, &[CLIENT_SECRET]);
    let endpoints = provider.endpoints().now_or_never().expect("the issuer answers at once");
    match endpoints {
        Ok(endpoints) => check_accepted(&endpoints, input),
        Err(error) => check_refused(&error),
    }
}

fn check_accepted(endpoints: &Endpoints, input: &[u8]) {
    let document: Value = serde_json::from_slice(input).expect("an accepted document is JSON");
    assert_eq!(document["issuer"], ISSUER);
    let Endpoints { authorization, end_session, keys, revocation, token, userinfo, .. } = endpoints;
    let optional = [end_session, revocation, userinfo].into_iter().flatten();
    for endpoint in optional.chain([authorization, keys, token]) {
        check_endpoint(endpoint);
    }
}

/// Secrets are sent there.
fn check_endpoint(endpoint: &Uri) {
    assert_eq!(endpoint.scheme_str(), Some("https"), "{endpoint}");
    assert!(endpoint.host().is_some_and(|host| !host.is_empty()), "{endpoint}");
}

fn check_keys(input: &[u8]) {
    let provider = client_of(document(), input.to_vec()).build().unwrap();
    let discovered =
        OpenIdProvider::discover(&provider).now_or_never().expect("it answers at once");
    match discovered {
        Ok(()) => {
            let keys: Value = serde_json::from_slice(input).expect("an accepted set is JSON");
            assert!(keys["keys"].is_array());
        }
        Err(error) => check_refused(&error),
    }
}

/// An answer of an issuer can hold anything, also what it was sent.
fn check_refused(error: &SetupError) {
    assert_hidden(error, &[CANARY, CLIENT_SECRET]);
}

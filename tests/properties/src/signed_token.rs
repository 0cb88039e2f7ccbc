//! Logout tokens and security event tokens: only what the issuer has signed counts, and only if its
//! claims say that it is for this client, of now, and about a logout.

use futures_util::FutureExt as _;
use serde_json::Value;
use session_core::Timestamp;
use session_core::clock::Clock as _;
use session_core::provider::openid::signals::SignalTransmitter;
use session_core::provider::openid::{LogoutToken, OpenIdProvider};
use session_core::testing::FakeClock;

use crate::hidden::{CANARY, assert_hidden};
use crate::issuer::{CLIENT_ID, CLIENT_SECRET, ISSUER, client_of, document, is_signed, signed};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Ten minutes, and how far clocks may differ, in milliseconds.
const MAX_AGE: i64 = 11 * 60 * 1000;
const LEEWAY: i64 = 60 * 1000;

struct Parties {
    provider: OpenIdProvider,
    transmitter: SignalTransmitter,
    now: Timestamp,
}

thread_local! {
    static PARTIES: Parties = Parties::new();
}

impl Parties {
    fn new() -> Self {
        let provider = client_of(document(), b"{\"keys\": []}".to_vec()).build().unwrap();
        let transmitter = SignalTransmitter::of_provider(&provider, CLIENT_ID);
        Self { provider, transmitter, now: FakeClock::new().now() }
    }

    fn verify(&self, token: &str) -> Option<LogoutToken> {
        let verified = self.provider.verify_logout_token(token).now_or_never();
        match verified.expect("the issuer answers at once") {
            Ok(token) => Some(token),
            Err(error) => {
                assert_hidden(&error, &[CANARY, CLIENT_SECRET]);
                None
            }
        }
    }

    /// A client's secret signs no security event, and there are no keys.
    fn check_event(&self, token: &str) {
        let verified = self.provider.verify_security_event(&self.transmitter, token).now_or_never();
        let error = verified.expect("the issuer answers at once").unwrap_err();
        assert_hidden(&error, &[CANARY, CLIENT_SECRET]);
    }
}

/// Checks a token. Behind an `s` stand claims, which the issuer signs; behind an `h` a header and, on
/// the next line, claims, which it signs; else a token as it arrives.
pub(crate) fn check(input: &[u8]) {
    let (header, claims): (&[u8], &[u8]) = match input.split_first() {
        Some((b's', claims)) => (br#"{"alg":"HS256","typ":"logout+jwt"}"#, claims),
        Some((b'h', rest)) => {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            (&rest[..end], rest.get(end + 1..).unwrap_or_default())
        }
        _ => return check_raw(input),
    };
    let token = signed(header, claims);
    PARTIES.with(|parties| {
        if let Some(logout) = parties.verify(&token) {
            check_header(header);
            check_claims(&logout, claims, parties.now);
        }
        parties.check_event(&token);
    });
}

fn check_raw(input: &[u8]) {
    let Ok(token) = std::str::from_utf8(input) else { return };
    PARTIES.with(|parties| {
        assert!(parties.verify(token).is_none() || is_signed(token), "a token that was not signed");
        parties.check_event(token);
    });
}

fn check_header(header: &[u8]) {
    let header: Value = serde_json::from_slice(header).expect("an accepted header is JSON");
    assert_eq!(header["alg"], "HS256", "only this algorithm was signed with");
    let typ = header["typ"].as_str().expect("a token without a type is refused");
    assert!(typ.to_ascii_lowercase().ends_with("logout+jwt"), "{typ}");
}

fn check_claims(logout: &LogoutToken, claims: &[u8], now: Timestamp) {
    let claims: Value = serde_json::from_slice(claims).expect("accepted claims are JSON");
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(logout.issuer, ISSUER);
    let audience = &claims["aud"];
    let names_us = |list: &Vec<Value>| list.iter().any(|one| one == CLIENT_ID);
    assert!(audience == CLIENT_ID || audience.as_array().is_some_and(names_us), "{audience}");
    assert!(claims["events"][EVENT].is_object() && claims["nonce"].is_null());
    assert_eq!(claims["jti"], *logout.id);
    assert!(!logout.id.is_empty());
    // A token names whom it is about, and is refused otherwise.
    assert!(logout.subject.is_some() || logout.sid.is_some());
    assert_eq!(claims["sid"].as_str(), logout.sid.as_deref());
    let age = now.as_millis() - logout.issued_at.as_millis();
    assert!((-LEEWAY..MAX_AGE).contains(&age), "issued {age} ms ago");
    assert!(logout.expires_at > now, "it would not be recognised again");
}

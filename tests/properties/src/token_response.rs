//! Answers of a token endpoint: what is accepted has an access token, and keeps it.

use std::time::Duration;

use serde_json::Value;
use session_core::testing::sample;
use session_core::{SessionId, Timestamp, TokenResponse, TokenSet};

use crate::hidden::{CANARY, assert_debug_hides, assert_hidden};

const HOUR: Duration = Duration::from_secs(3600);
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn received() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

/// Checks the body of an answer.
pub(crate) fn check(input: &[u8]) {
    let response = match TokenResponse::from_json(input) {
        Ok(response) => response,
        Err(error) => return assert_hidden(&error, &[CANARY]),
    };
    let lifetime = response.expires_in();
    assert!(lifetime.is_none_or(|span| !span.is_zero() && span <= TEN_YEARS));
    let tokens = TokenSet::new(response.clone(), received(), HOUR);
    assert!(!tokens.access_token().is_empty());
    assert_debug_hides(&response, &[CANARY]);
    assert_debug_hides(&tokens, &[CANARY]);
    check_stored(&tokens);
    // A field may hold a number that no type does: it is kept as it is written.
    if let Ok(json) = serde_json::from_slice(input) {
        check_tokens(&tokens, &json);
        check_renewal(response, &json);
    }
}

fn given<'a>(json: &'a Value, field: &str) -> Option<&'a str> {
    json.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The tokens are those of the answer.
fn check_tokens(tokens: &TokenSet, json: &Value) {
    assert_eq!(Some(tokens.access_token()), given(json, "access_token"));
    assert_eq!(tokens.refresh_token(), given(json, "refresh_token"));
    assert_eq!(tokens.id_token(), given(json, "id_token"));
    let expires_at = tokens.expires_at();
    assert!(expires_at.is_none_or(|at| at > received() && at <= received() + TEN_YEARS));
    // Without a lifetime one is assumed where the tokens can be renewed.
    assert!(expires_at.is_some() || tokens.refresh_token().is_none());
}

/// An answer to a renewal replaces what it gives, and loses nothing that it does not.
fn check_renewal(response: TokenResponse, json: &Value) {
    let before = TokenResponse::bearer("at-before")
        .with_refresh_token("rt-before")
        .with_id_token("idt-before")
        .with_field("tenant-before", 7);
    let before = TokenSet::new(before, received(), HOUR);
    let renewed = before.renewed(response, received() + HOUR, HOUR);
    assert_eq!(Some(renewed.access_token()), given(json, "access_token"));
    let kept = given(json, "refresh_token").unwrap_or("rt-before");
    assert_eq!(renewed.refresh_token(), Some(kept));
    assert_eq!(renewed.id_token(), Some(given(json, "id_token").unwrap_or("idt-before")));
    assert!(renewed.field("tenant-before").is_some());
}

/// What was received comes back from a row as it was.
fn check_stored(tokens: &TokenSet) {
    let (user, provider) = (sample::user("ann"), sample::provider("okta"));
    let id = SessionId::derived(&[b"properties"]);
    let sealed = tokens.seal(sample::keyring(), id, &user, &provider).unwrap();
    let opened = TokenSet::open(&sealed, sample::keyring(), id, &user, &provider).unwrap();
    assert_eq!(opened.access_token(), tokens.access_token());
    assert_eq!(opened.refresh_token(), tokens.refresh_token());
    assert_eq!(opened.id_token(), tokens.id_token());
    assert_eq!(opened.scope(), tokens.scope());
    assert_eq!(opened.expires_at(), tokens.expires_at());
    assert_eq!(opened.extra(), tokens.extra());
}

//! Token responses, and how a response is merged with the stored tokens.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use session_core::{Keyring, ProviderName, SessionId, Timestamp, TokenResponse, TokenSet, UserId};

const HOUR: Duration = Duration::from_secs(3600);

fn received() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

fn parse(value: &Value) -> TokenResponse {
    TokenResponse::from_json(value.to_string().as_bytes()).unwrap()
}

fn expires_in(value: Value) -> Option<u64> {
    parse(&json!({"access_token": "at", "expires_in": value})).expires_in().map(|d| d.as_secs())
}

#[test]
fn f25_expires_in_is_read_in_every_form_that_providers_send() {
    assert_eq!(expires_in(json!(300)), Some(300));
    assert_eq!(expires_in(json!("300")), Some(300));
    assert_eq!(expires_in(json!(" 300 ")), Some(300));
    assert_eq!(expires_in(json!(300.0)), Some(300));
    assert_eq!(expires_in(json!(299.9)), Some(299));
    assert_eq!(expires_in(json!(1)), Some(1));
}

#[test]
fn f25_an_invalid_expires_in_counts_as_none() {
    let absurd = [
        json!(0),
        json!(-1),
        json!(-3600),
        json!(0.4),
        json!(-0.5),
        json!(1e300),
        json!(u64::MAX),
        json!(10_u64 * 365 * 24 * 3600 + 1),
        json!(""),
        json!("soon"),
        json!("-300"),
        json!("0"),
        json!(null),
        json!(true),
        json!([300]),
        json!({"seconds": 300}),
    ];
    for value in absurd {
        assert_eq!(expires_in(value.clone()), None, "{value}");
    }
    assert_eq!(parse(&json!({"access_token": "at"})).expires_in(), None, "missing (R5)");
}

#[test]
fn f25_without_a_lifetime_one_is_assumed_if_there_is_a_refresh_token() {
    let tokens = |value: Value| TokenSet::new(parse(&value), received(), HOUR);
    let renewable = json!({"access_token": "at", "refresh_token": "rt"});
    assert_eq!(tokens(renewable).expires_at(), Some(received() + HOUR));
    assert_eq!(tokens(json!({"access_token": "at"})).expires_at(), None);
    let absurd = json!({"access_token": "at", "refresh_token": "rt", "expires_in": -1});
    assert_eq!(tokens(absurd).expires_at(), Some(received() + HOUR));
    let given = json!({"access_token": "at", "expires_in": 60});
    assert_eq!(tokens(given).expires_at(), Some(received() + Duration::from_secs(60)));
}

#[test]
fn f29_the_expiry_counts_from_the_receipt() {
    let response = TokenResponse::bearer("at").with_expires_in(HOUR);
    let tokens = TokenSet::new(response, received(), HOUR * 2);
    assert_eq!(tokens.received_at(), received());
    assert_eq!(tokens.expires_at(), Some(received() + HOUR));
}

#[test]
fn a_body_that_is_not_a_token_response_is_malformed() {
    let not_one: [&[u8]; 9] = [
        b"",
        b"null",
        b"[]",
        b"\"at\"",
        b"{}",
        br#"{"access_token": ""}"#,
        br#"{"access_token": 7}"#,
        br#"{"access_token": "at""#,
        b"<html>access_token</html>",
    ];
    for body in not_one {
        let error = TokenResponse::from_json(body).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the response of the token endpoint is malformed or has no access token"
        );
    }
    let error = TokenResponse::from_json(br#"{"access_token": ["s3cr3t"]}"#).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("s3cr3t"));
}

/// The tokens and texts of a token set.
fn facts(tokens: &TokenSet) -> (String, Option<String>, Option<String>, Option<String>) {
    let text = |part: Option<&str>| part.map(str::to_owned);
    (
        tokens.access_token().to_owned(),
        text(tokens.refresh_token()),
        text(tokens.id_token()),
        text(tokens.scope()),
    )
}

fn first() -> TokenSet {
    let response = TokenResponse::bearer("at-1")
        .with_refresh_token("rt-1")
        .with_id_token("idt-1")
        .with_scope("openid mail")
        .with_field("tenant", 7)
        .with_field("region", "eu")
        .with_expires_in(HOUR);
    TokenSet::new(response, received(), HOUR)
}

#[test]
fn f26_absent_fields_are_kept() {
    let later = received() + HOUR;
    let new = first().renewed(TokenResponse::bearer("at-2"), later, HOUR);
    let kept = |text: &str| Some(text.to_owned());
    assert_eq!(facts(&new), ("at-2".to_owned(), kept("rt-1"), kept("idt-1"), kept("openid mail")));
    assert_eq!(new.field("tenant"), Some(&json!(7)));
    assert_eq!(new.received_at(), later);
    assert_eq!(new.expires_at(), Some(later + HOUR), "assumed anew, not kept");
}

#[test]
fn r1_present_fields_replace_stored_ones() {
    let answer = json!({
        "access_token": "at-2", "refresh_token": "rt-2", "id_token": "idt-2", "scope": "openid",
        "tenant": 8, "new": {"deep": [1]}, "expires_in": 60,
    });
    let new = first().renewed(parse(&answer), received(), HOUR);
    let given = |text: &str| Some(text.to_owned());
    assert_eq!(facts(&new), ("at-2".to_owned(), given("rt-2"), given("idt-2"), given("openid")));
    assert_eq!(new.field("tenant"), Some(&json!(8)));
    assert_eq!(new.field("region"), Some(&json!("eu")), "what it does not name stays");
    assert_eq!(new.field("new"), Some(&json!({"deep": [1]})));
}

#[test]
fn f26_empty_and_null_fields_replace_nothing() {
    for empty in [json!(""), json!(null)] {
        let answer = json!({
            "access_token": "at-2", "refresh_token": empty, "id_token": empty, "scope": empty,
        });
        let new = first().renewed(parse(&answer), received(), HOUR);
        assert_eq!(new.refresh_token(), Some("rt-1"), "{empty}");
        assert_eq!(new.id_token(), Some("idt-1"), "{empty}");
        assert_eq!(new.scope(), Some("openid mail"), "{empty}");
    }
}

#[test]
fn tokens_are_compared_completely() {
    let tokens = first();
    assert!(tokens.is_access_token("at-1"));
    for other in ["", "at", "at-11", "AT-1", "rt-1"] {
        assert!(!tokens.is_access_token(other), "{other:?}");
    }
    let renewed = tokens.renewed(TokenResponse::bearer("at-2"), received(), HOUR);
    assert!(tokens.has_refresh_token_of(&renewed), "kept");
    let rotated = TokenResponse::bearer("at-2").with_refresh_token("rt-2");
    assert!(!tokens.has_refresh_token_of(&tokens.renewed(rotated, received(), HOUR)));
    let none = TokenSet::new(TokenResponse::bearer("at-1"), received(), HOUR);
    assert!(!tokens.has_refresh_token_of(&none) && !none.has_refresh_token_of(&tokens));
    assert!(none.has_refresh_token_of(&none));
}

#[test]
fn r8_debug_prints_no_token_and_no_unknown_field() {
    let response = TokenResponse::bearer("secret-at")
        .with_refresh_token("secret-rt")
        .with_id_token("secret-idt")
        .with_field("device_secret", "secret-field");
    let tokens = TokenSet::new(response.clone(), received(), HOUR);
    let shown = format!("{response:?} {response:#?} {tokens:?} {tokens:#?}");
    assert!(!shown.contains("secret"), "{shown}");
}

proptest! {
    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = TokenResponse::from_json(&body).map(|r| TokenSet::new(r, received(), HOUR));
    }

    #[test]
    fn f25_no_number_panics_and_a_lifetime_is_between_a_second_and_ten_years(
        seconds in prop_oneof![
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ],
        millis in any::<i64>(),
    ) {
        let value = json!({"access_token": "at", "refresh_token": "rt", "expires_in": seconds});
        let response = parse(&value);
        if let Some(lifetime) = response.expires_in() {
            prop_assert!((1..=10 * 365 * 24 * 3600).contains(&lifetime.as_secs()));
        }
        let received = Timestamp::from_millis(millis);
        let tokens = TokenSet::new(response, received, HOUR);
        prop_assert!(tokens.expires_at() >= Some(received));
    }

    #[test]
    fn f26_unknown_fields_survive_any_number_of_renewals(
        fields in prop::collection::btree_map("x_[a-z]{1,8}", any::<i64>(), 0..8), renewals in 0..5,
    ) {
        let named = fields.iter().fold(TokenResponse::bearer("at"), |response, (name, value)| {
            response.with_field(name.clone(), *value)
        });
        let mut tokens = TokenSet::new(named.with_refresh_token("rt"), received(), HOUR);
        for _ in 0..renewals {
            tokens = tokens.renewed(TokenResponse::bearer("at"), received(), HOUR);
        }
        for (name, value) in &fields {
            prop_assert_eq!(tokens.field(name), Some(&json!(value)));
        }
        prop_assert_eq!(tokens.refresh_token(), Some("rt"));
    }
}

#[test]
fn a_field_of_another_type_does_not_lose_the_tokens() {
    // Twitch sends its scopes as a list.
    let response = parse(&json!({
        "access_token": "at", "refresh_token": "rt", "scope": ["openid", "email"], "token_type": 7,
    }));
    let tokens = TokenSet::new(response, received(), HOUR);
    assert_eq!(tokens.scope(), Some("openid email"));
    assert_eq!(tokens.refresh_token(), Some("rt"));
    let nothing = json!({"access_token": "at", "scope": {"of": "nothing"}});
    assert_eq!(TokenSet::new(parse(&nothing), received(), HOUR).scope(), None);
}

/// Numbers that no type of this language holds as they are written.
#[test]
fn numbers_stay_as_they_are_written() {
    let numbers = [
        ("at", "1770140731.6878679"),
        ("digits", "110248495921238986420"),
        ("huge", "1e999"),
        ("inner", r#"{"a": [1.50, 18446744073709551616]}"#),
        ("zeros", "2.500"),
    ];
    let fields: String =
        numbers.iter().map(|(name, number)| format!(r#", "{name}": {number}"#)).collect();
    let json = format!(r#"{{"access_token": "at", "refresh_token": "rt"{fields}}}"#);
    let response = TokenResponse::from_json(json.as_bytes()).unwrap();
    let tokens = TokenSet::new(response, received(), HOUR);
    let renewed = TokenResponse::from_json(br#"{"access_token": "new", "zeros": 3.50}"#).unwrap();
    let renewed = tokens.renewed(renewed, received(), HOUR);
    let keyring = Keyring::parse("k:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let id = SessionId::derived(&[b"numbers"]);
    let (user, provider) = (UserId::new("ann").unwrap(), ProviderName::new("okta").unwrap());
    let sealed = renewed.seal(&keyring, id, &user, &provider).unwrap();
    let opened = TokenSet::open(&sealed, &keyring, id, &user, &provider).unwrap();
    for (name, number) in numbers {
        assert_eq!(tokens.extra().written(name), Some(number));
        let kept = if name == "zeros" { "3.50" } else { number };
        assert_eq!(opened.extra().written(name), Some(kept), "{name} after a renewal");
    }
    assert_eq!(opened.extra(), renewed.extra());
    assert_ne!(opened.extra(), tokens.extra());
}

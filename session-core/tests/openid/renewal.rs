use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use openidconnect::HttpResponse;
use serde_json::{Value, json};
use session_core::clock::Clock;
use session_core::provider::openid::{ClientAuthentication, OpenIdProvider};
use session_core::provider::{Provider, ProviderError, ProviderErrorKind, RevocationScope};
use session_core::{TokenResponse, TokenSet};

use crate::everything_shown;
use crate::issuer::{
    CLIENT_ID, CLIENT_SECRET, ISSUER, Issuer, answer, id_token, json, ok, with_header,
};

const REFRESH_TOKEN: &str = "rt-old/with+characters=";
const HOUR: Duration = Duration::from_secs(3600);

fn held(issuer: &Issuer) -> TokenSet {
    let response = TokenResponse::bearer("at-old").with_refresh_token(REFRESH_TOKEN);
    TokenSet::new(response.with_scope("openid profile"), issuer.clock.now(), HOUR)
}

async fn renew(issuer: &Issuer, answer: HttpResponse) -> Result<TokenResponse, ProviderError> {
    issuer.script("/token", answer);
    issuer.provider().await.renew(&held(issuer)).await
}

async fn renewed(issuer: &Issuer, answer: &Value) -> TokenSet {
    let response = renew(issuer, ok(answer)).await.unwrap();
    held(issuer).renewed(response, issuer.clock.now(), HOUR)
}

async fn kind_of(answer: HttpResponse) -> ProviderErrorKind {
    renew(&Issuer::new(), answer).await.unwrap_err().kind()
}

#[tokio::test]
async fn r1_replaces_the_refresh_token_by_the_new_one() {
    let answer =
        json!({"access_token": "at-new", "token_type": "Bearer", "refresh_token": "rt-new"});
    let tokens = renewed(&Issuer::new(), &answer).await;
    assert_eq!((tokens.access_token(), tokens.refresh_token()), ("at-new", Some("rt-new")));
}

#[tokio::test]
async fn r1_f26_keeps_refresh_token_and_scope_if_the_response_has_none() {
    let answer = json!({"access_token": "at-new", "token_type": "Bearer", "expires_in": 60});
    let tokens = renewed(&Issuer::new(), &answer).await;
    assert_eq!(tokens.refresh_token(), Some(REFRESH_TOKEN));
    assert_eq!(tokens.scope(), Some("openid profile"));
}

#[tokio::test]
async fn keeps_unknown_fields() {
    let answer = json!({
        "access_token": "at-new", "token_type": "Bearer", "ext_expires_in": 7200, "tenant": {"id": 7},
    });
    let tokens = renewed(&Issuer::new(), &answer).await;
    assert_eq!(tokens.field("ext_expires_in"), Some(&json!(7200)));
    assert_eq!(tokens.field("tenant"), Some(&json!({"id": 7})));
}

#[tokio::test]
async fn r5_f25_accepts_a_response_with_any_lifetime() {
    for (expires_in, expected) in [
        (json!(null), HOUR),
        (json!(300), Duration::from_secs(300)),
        (json!("300"), Duration::from_secs(300)),
        (json!(-1), HOUR),
        (json!(1e18), HOUR),
    ] {
        let issuer = Issuer::new();
        let answer = json!({
            "access_token": "at-new", "token_type": "Bearer", "refresh_token": "rt-new",
            "expires_in": expires_in,
        });
        let tokens = renewed(&issuer, &answer).await;
        assert_eq!(tokens.refresh_token(), Some("rt-new"), "{expires_in}: rotated and not lost");
        assert_eq!(tokens.expires_at(), Some(issuer.clock.now() + expected), "{expires_in}");
    }
}

#[tokio::test]
async fn r2_requests_no_scope_by_default() {
    let issuer = Issuer::new();
    let good = ok(&json!({"access_token": "at-new", "token_type": "Bearer"}));
    renew(&issuer, good.clone()).await.unwrap();
    assert!(!issuer.requests_to("/token")[0].form.contains_key("scope"));

    issuer.script("/token", good);
    let provider = issuer.builder().with_scope_at_renewal("openid  profile").discover().await;
    provider.unwrap().renew(&held(&issuer)).await.unwrap();
    assert_eq!(issuer.requests_to("/token")[1].form["scope"], "openid profile");
}

#[tokio::test]
async fn r3_sends_the_refresh_token_with_client_authentication_to_the_token_endpoint() {
    let issuer = Issuer::new();
    renew(&issuer, ok(&json!({"access_token": "at", "token_type": "Bearer"}))).await.unwrap();
    let requests = issuer.requests_to("/token");
    let request = &requests[0];
    assert_eq!(request.uri.to_string(), format!("{ISSUER}/token"), "and nothing in the address");
    assert_eq!(request.form["grant_type"], "refresh_token");
    assert_eq!(request.form["refresh_token"], REFRESH_TOKEN);
    assert!(!request.form.contains_key("client_secret"));
    // my+app:s3cret%26of+the%2Fclient (RFC 6749, section 2.3.1)
    let expected = "Basic bXkrYXBwOnMzY3JldCUyNm9mK3RoZSUyRmNsaWVudA==";
    assert_eq!(request.headers[AUTHORIZATION], expected);
    assert_eq!(request.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn r3_authenticates_in_the_body_where_the_provider_or_the_application_says_so() {
    let good = ok(&json!({"access_token": "at", "token_type": "Bearer"}));
    let only_post = json!(["private_key_jwt", "client_secret_post"]);
    let by_document =
        Issuer::new().with_document("token_endpoint_auth_methods_supported", only_post);
    renew(&by_document, good.clone()).await.unwrap();
    let by_setting = Issuer::new();
    by_setting.script("/token", good);
    let builder = by_setting.builder().with_client_authentication(ClientAuthentication::Post);
    builder.discover().await.unwrap().renew(&held(&by_setting)).await.unwrap();
    for issuer in [by_document, by_setting] {
        let request = &issuer.requests_to("/token")[0];
        assert_eq!(request.form["client_id"], CLIENT_ID);
        assert_eq!(request.form["client_secret"], CLIENT_SECRET);
        assert!(!request.headers.contains_key(AUTHORIZATION));
    }
}

#[tokio::test]
async fn r6_a_public_client_names_itself_and_has_no_secret() {
    let issuer = Issuer::new();
    issuer.script("/token", ok(&json!({"access_token": "at", "token_type": "Bearer"})));
    let provider = OpenIdProvider::builder(ISSUER, CLIENT_ID, issuer.client()).build().unwrap();
    provider.renew(&held(&issuer)).await.unwrap();
    let request = &issuer.requests_to("/token")[0];
    assert_eq!(request.form["client_id"], CLIENT_ID);
    assert!(!request.form.contains_key("client_secret"));
    assert!(!request.headers.contains_key(AUTHORIZATION));
}

#[tokio::test]
async fn r4_f7_only_a_client_error_with_invalid_grant_is_a_refusal() {
    use ProviderErrorKind::{Malformed, Refused, Throttled, Unavailable};
    let invalid_grant = json!({"error": "invalid_grant", "error_description": "reuse"});
    for (status, kind) in [
        (400, Refused),
        (401, Refused),
        (403, Refused),
        (408, Unavailable),
        (429, Throttled),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (302, Malformed),
        (200, Malformed),
    ] {
        assert_eq!(kind_of(json(status, &invalid_grant)).await, kind, "{status}");
    }
}

#[tokio::test]
async fn r4_text_is_never_read_as_a_refusal() {
    for body in [
        "invalid_grant",
        "<html>error: invalid_grant</html>",
        r#"{"error": "not an invalid_grant"}"#,
        r#"{"error": "INVALID_GRANT"}"#,
        r#"{"error": "interaction_required", "error_description": "invalid_grant"}"#,
        r#"{"error": {"code": "invalid_grant"}}"#,
        r#"{"error": ["invalid_grant"]}"#,
        r#"{"message": "invalid_grant"}"#,
        r#"["invalid_grant"]"#,
        r#"{"error": "invalid_grant""#,
        "",
    ] {
        assert_eq!(kind_of(answer(400, body)).await, ProviderErrorKind::Rejected, "{body}");
    }
}

#[tokio::test]
async fn f42_an_error_of_the_client_registration_is_not_a_refusal() {
    use ProviderErrorKind::{Misconfigured, Rejected};
    for (code, expected) in [
        ("invalid_client", Misconfigured),
        ("unauthorized_client", Misconfigured),
        ("invalid_request", Rejected),
        ("invalid_scope", Rejected),
        ("unsupported_grant_type", Rejected),
    ] {
        for status in [400, 401] {
            let kind = kind_of(json(status, &json!({ "error": code }))).await;
            assert_eq!(kind, expected, "{status} {code}");
        }
        let kind = kind_of(json(503, &json!({ "error": code }))).await;
        assert_eq!(kind, ProviderErrorKind::Unavailable, "503 {code}");
    }
}

#[tokio::test]
async fn a_temporary_error_with_status_400_is_transient() {
    for (code, kind) in [
        ("temporarily_unavailable", ProviderErrorKind::Unavailable),
        ("server_error", ProviderErrorKind::Unavailable),
        ("slow_down", ProviderErrorKind::Throttled),
    ] {
        assert_eq!(kind_of(json(400, &json!({ "error": code }))).await, kind, "{code}");
    }
}

#[tokio::test]
async fn a_response_without_an_access_token_is_malformed() {
    for body in [
        "",
        "<html>Sign in to the Wi-Fi</html>",
        "{}",
        r#"{"token_type": "Bearer"}"#,
        r#"{"access_token": ""}"#,
        r#"{"access_token": null}"#,
        r#"{"access_token": 7}"#,
        r#"{"access_token": "at""#,
    ] {
        assert_eq!(kind_of(answer(200, body)).await, ProviderErrorKind::Malformed, "{body}");
    }
}

#[tokio::test]
async fn f9_honours_retry_after_in_seconds_and_as_a_date_of_the_provider() {
    let seconds = with_header(answer(429, ""), RETRY_AFTER, "120");
    let error = renew(&Issuer::new(), seconds).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Throttled);
    assert_eq!(error.asks_to_wait(), Some(Duration::from_secs(120)));

    // Far from the fake clock and the system clock: only the date of the response counts.
    let date = with_header(answer(503, ""), DATE, "Tue, 07 Nov 1995 08:00:00 GMT");
    let date = with_header(date, RETRY_AFTER, "Tue, 07 Nov 1995 08:02:30 GMT");
    let error = renew(&Issuer::new(), date).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unavailable);
    assert_eq!(error.asks_to_wait(), Some(Duration::from_secs(150)));

    assert_eq!(renew(&Issuer::new(), answer(503, "")).await.unwrap_err().asks_to_wait(), None);
}

#[tokio::test]
async fn r6_r7_never_sends_a_refresh_token_twice() {
    for failure in [400, 408, 429, 500, 503] {
        let issuer = Issuer::new();
        renew(&issuer, json(failure, &json!({"error": "invalid_grant"}))).await.unwrap_err();
        assert_eq!(issuer.requests_to("/token").len(), 1, "{failure}");
    }
    let issuer = Issuer::new();
    issuer.script_outage("/token", "connection reset");
    issuer.provider().await.renew(&held(&issuer)).await.unwrap_err();
    assert_eq!(issuer.requests_to("/token").len(), 1);
}

#[tokio::test]
async fn f11_a_network_failure_is_an_outage_with_its_cause() {
    let issuer = Issuer::new();
    issuer.script_outage("/token", "connection refused");
    let error = issuer.provider().await.renew(&held(&issuer)).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unavailable);
    assert!(everything_shown(&error).contains("connection refused"));
}

#[tokio::test]
async fn r8_no_error_shows_a_token_or_a_secret() {
    let quoted = format!("{REFRESH_TOKEN} {CLIENT_SECRET} at-new");
    let issuer = Issuer::new();
    let mut errors = Vec::new();
    for status in [200, 302, 400, 401, 429, 503] {
        for body in [
            json!({"error": "invalid_grant", "error_description": quoted}).to_string(),
            json!({"error": quoted}).to_string(),
            json!({"refresh_token": REFRESH_TOKEN, "access_token": {"v": "at-new"}}).to_string(),
            quoted.clone(),
        ] {
            errors.push(renew(&issuer, answer(status, &body)).await.unwrap_err());
        }
    }
    let encoded = "refresh_token=rt-old%2Fwith%2Bcharacters%3D";
    let basic = "authorization: Basic bXkrYXBwOnMzY3JldCUyNm9mK3RoZSUyRmNsaWVudA==";
    for text in [quoted.as_str(), encoded, basic] {
        issuer.script_outage("/token", text);
        errors.push(issuer.provider().await.renew(&held(&issuer)).await.unwrap_err());
    }
    assert_eq!(errors.len(), 27);
    for error in &errors {
        let shown = everything_shown(error);
        for secret in ["rt-old", "s3cret", "at-new", "bXkrYXBw"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let shown = everything_shown(&errors[4 * 2]);
    assert!(shown.contains("status 400 with invalid_grant"), "what is left says enough: {shown}");
}

#[tokio::test]
async fn refuses_tokens_of_another_user_and_gives_them_back() {
    let claims = |sub: &str| json!({"iss": ISSUER, "sub": sub, "aud": CLIENT_ID, "exp": 2_000_000_000, "iat": 1});
    let issuer = Issuer::new();
    issuer.script("/revoke", ok(&json!({})));
    let response = TokenResponse::bearer("at").with_refresh_token("rt");
    let response = response.with_id_token(id_token("k1", &claims("alice"), "at"));
    let held = TokenSet::new(response, issuer.clock.now(), HOUR);
    let provider = issuer.builder().with_revocation_scope(RevocationScope::Token);
    let provider = provider.discover().await.unwrap();
    for (sub, expected) in [("alice", None), ("mallory", Some(ProviderErrorKind::Malformed))] {
        let id_token = id_token("k1", &claims(sub), "at");
        let answer = json!({
            "access_token": "at", "token_type": "Bearer", "id_token": id_token,
            "refresh_token": format!("rt-of-{sub}"),
        });
        issuer.script("/token", ok(&answer));
        let error = provider.renew(&held).await.err().map(|error| error.kind());
        assert_eq!(error, expected, "{sub}");
    }
    let revoked = issuer.requests_to("/revoke");
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].form["token"], "rt-of-mallory");
}

#[tokio::test]
async fn another_spelling_of_the_issuer_loses_no_rotated_token() {
    let claims = |iss: &str| json!({"iss": iss, "sub": "alice", "aud": CLIENT_ID, "exp": 2_000_000_000, "iat": 1});
    for (spelling, is_same) in [
        ("https://id.example/", true),
        ("https://ID.example", true),
        ("https://id.example:443", true),
        ("http://id.example", false),
        ("https://id.example.evil.example", false),
        ("https://id.example/realms/b", false),
    ] {
        let issuer = Issuer::new();
        let response = TokenResponse::bearer("at").with_refresh_token("rt");
        let response = response.with_id_token(id_token("k1", &claims(ISSUER), "at"));
        let held = TokenSet::new(response, issuer.clock.now(), HOUR);
        let answer = json!({
            "access_token": "at", "token_type": "Bearer", "refresh_token": "rt-2",
            "id_token": id_token("k1", &claims(spelling), "at"),
        });
        issuer.script("/token", ok(&answer));
        let renewed = issuer.provider().await.renew(&held).await;
        assert_eq!(renewed.is_ok(), is_same, "{spelling}");
    }
}

#[tokio::test]
async fn a_response_of_more_than_a_mebibyte_is_not_read() {
    let long = "x".repeat(1024 * 1024);
    let tokens = json!({"access_token": "at", "token_type": "Bearer", "padding": long});
    assert_eq!(kind_of(ok(&tokens)).await, ProviderErrorKind::Malformed);
    let refusal = json!({"error": "invalid_grant", "padding": long});
    assert_eq!(kind_of(json(400, &refusal)).await, ProviderErrorKind::Rejected);
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let issuer = Issuer::new();
        issuer.script(path, ok(&json!({ "padding": long, "keys": [] })));
        let error = issuer.builder().discover().await.unwrap_err();
        assert!(everything_shown(&error).contains("longer than a mebibyte"), "{path}");
    }
}

#[tokio::test]
async fn f27_sends_no_request_without_a_refresh_token() {
    let issuer = Issuer::new();
    let held = TokenSet::new(TokenResponse::bearer("at"), issuer.clock.now(), HOUR);
    let error = issuer.provider().await.renew(&held).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
    assert!(issuer.requests_to("/token").is_empty());
}

use std::collections::HashMap;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use openidconnect::url::Url;
use serde_json::{Value, json};
use session_core::clock::Clock;
use session_core::middleware::ErrorChain;
use session_core::policy::authentication::RequiredAuthentication;
use session_core::provider::RevocationScope;
use session_core::provider::openid::{
    AuthorizationOptions, AuthorizationRequest, Callback, OpenIdProvider, PendingSignIn,
    SignInError, SignInErrorKind, SignInOutcome,
};
use sha2::{Digest, Sha256};

use crate::everything_shown;
use crate::issuer::{
    CLIENT_ID, CLIENT_SECRET, ISSUER, Issuer, id_token, id_token_by_secret, json, ok,
};

pub const CALLBACK: &str = "https://app.example/callback";

/// A sign-in at an issuer until the browser returns.
pub struct Visit {
    pub issuer: Issuer,
    provider: OpenIdProvider,
    request: AuthorizationRequest,
}

impl Visit {
    pub async fn at(issuer: Issuer) -> Self {
        let provider = issuer.provider().await;
        let options = AuthorizationOptions::new(CALLBACK).with_scope("profile");
        Self::with(issuer, provider, options.with_login_hint("alice")).await
    }

    pub async fn with(
        issuer: Issuer,
        provider: OpenIdProvider,
        options: AuthorizationOptions,
    ) -> Self {
        let request = provider.authorization_request(options).await.unwrap();
        Self { issuer, provider, request }
    }

    pub fn asked(&self) -> HashMap<String, String> {
        Url::parse(&self.request.url).unwrap().query_pairs().into_owned().collect()
    }

    /// Returns the claims of a valid ID token.
    pub fn claims(&self) -> Value {
        let now = self.issuer.clock.now().as_millis() / 1000;
        json!({
            "iss": ISSUER, "sub": "248289761001", "aud": CLIENT_ID, "iat": now, "exp": now + 300,
            "nonce": self.asked()["nonce"], "sid": "s-1", "name": "Alice Lovelace",
            "email": "alice@example.test", "email_verified": true,
            "preferred_username": "alice", "groups": ["a", "b"],
        })
    }

    pub fn answers(&self, id_token: &str) {
        let answer = json!({
            "access_token": "at-1", "token_type": "Bearer", "expires_in": 300,
            "refresh_token": "rt-1", "id_token": id_token, "tenant": 7,
        });
        self.issuer.script("/token", ok(&answer));
    }

    pub fn query(&self) -> String {
        format!("code=c%2B1&state={}&iss=https%3A%2F%2Fid.example", self.asked()["state"])
    }

    pub async fn returns(&self, query: &str) -> Result<SignInOutcome, SignInError> {
        self.provider.complete(self.request.pending.clone(), Callback::from_query(query)).await
    }

    pub async fn fails(&self, query: &str) -> SignInErrorKind {
        self.returns(query).await.unwrap_err().kind()
    }
}

/// Signs in with an ID token in which one claim differs from a valid one.
async fn with_claim(name: &str, value: Value) -> Result<SignInOutcome, SignInError> {
    let visit = Visit::at(Issuer::new()).await;
    let mut claims = visit.claims();
    claims[name] = value;
    visit.answers(&id_token("k1", &claims, "at-1"));
    visit.returns(&visit.query()).await
}

#[tokio::test]
async fn signs_a_user_in() {
    let visit = Visit::at(Issuer::new()).await;
    visit.answers(&id_token("k1", &visit.claims(), "at-1"));
    let outcome = visit.returns(&visit.query()).await.unwrap();

    assert_eq!(outcome.identity.issuer.as_deref(), Some(ISSUER));
    assert_eq!(outcome.identity.subject.unwrap().as_str(), "248289761001");
    assert_eq!(outcome.identity.sid.as_deref(), Some("s-1"));
    assert_eq!(outcome.claims.name.as_deref(), Some("Alice Lovelace"));
    assert_eq!(outcome.claims.email.as_deref(), Some("alice@example.test"));
    assert_eq!(outcome.claims.email_verified, Some(true));
    assert_eq!(outcome.claims.preferred_username.as_deref(), Some("alice"));
    assert_eq!(outcome.claims.further["groups"], json!(["a", "b"]));
    assert_eq!(outcome.tokens.expires_in(), Some(Duration::from_secs(300)));
    let tokens =
        session_core::TokenSet::new(outcome.tokens, visit.issuer.clock.now(), Duration::MAX);
    assert_eq!((tokens.access_token(), tokens.refresh_token()), ("at-1", Some("rt-1")));
    assert_eq!(tokens.field("tenant"), Some(&json!(7)));
}

#[tokio::test]
async fn r9_sends_state_nonce_and_pkce_and_the_verifier_to_the_token_endpoint() {
    let visit = Visit::at(Issuer::new()).await;
    let asked = visit.asked();
    assert!(visit.request.url.starts_with(&format!("{ISSUER}/authorize?")));
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["client_id"], CLIENT_ID);
    assert_eq!(asked["redirect_uri"], CALLBACK);
    assert_eq!(asked["scope"], "openid profile");
    assert_eq!(asked["login_hint"], "alice");
    assert_eq!(asked["code_challenge_method"], "S256");

    visit.answers(&id_token("k1", &visit.claims(), "at-1"));
    visit.returns(&visit.query()).await.unwrap();
    let sent = &visit.issuer.requests_to("/token")[0];
    assert_eq!(sent.form["grant_type"], "authorization_code");
    assert_eq!(sent.form["code"], "c+1");
    assert_eq!(sent.form["redirect_uri"], CALLBACK);
    let digest = Sha256::digest(sent.form["code_verifier"].as_bytes());
    assert_eq!(Base64UrlUnpadded::encode_string(&digest), asked["code_challenge"]);
}

#[tokio::test]
async fn r9_f33_every_sign_in_has_its_own_record() {
    let visit = Visit::at(Issuer::new()).await;
    let other =
        visit.provider.authorization_request(AuthorizationOptions::new(CALLBACK)).await.unwrap();
    let other: HashMap<_, _> = Url::parse(&other.url).unwrap().query_pairs().into_owned().collect();
    for secret in ["state", "nonce", "code_challenge"] {
        assert_ne!(visit.asked()[secret], other[secret], "{secret}");
        assert!(other[secret].len() >= 43, "{secret} has 256 bits");
    }
}

#[tokio::test]
async fn the_record_survives_a_cookie_and_prints_no_secret() {
    let visit = Visit::at(Issuer::new()).await;
    let cookie = serde_json::to_string(&visit.request.pending).unwrap();
    let kept: PendingSignIn = serde_json::from_str(&cookie).unwrap();
    assert_eq!(kept.state(), visit.asked()["state"]);
    let written: Value = serde_json::from_str(&cookie).unwrap();
    let shown = format!("{kept:?}");
    for secret in ["state", "nonce", "verifier"] {
        assert!(!shown.contains(written[secret].as_str().unwrap()), "{secret}: {shown}");
    }

    visit.answers(&id_token("k1", &visit.claims(), "at-1"));
    let callback = Callback::from_query(&visit.query());
    visit.provider.complete(kept, callback).await.unwrap();
}

#[tokio::test]
async fn r9_a_callback_with_another_state_is_not_exchanged() {
    let visit = Visit::at(Issuer::new()).await;
    for query in ["code=c&iss=https://id.example", "code=c&state=", "code=c&state=forged", ""] {
        assert_eq!(visit.fails(query).await, SignInErrorKind::State, "{query}");
    }
    assert!(visit.issuer.requests_to("/token").is_empty());
}

#[tokio::test]
async fn r9_a_callback_of_another_issuer_is_not_exchanged() {
    let visit = Visit::at(Issuer::new()).await;
    let state = visit.asked()["state"].clone();
    let other = format!("code=c&state={state}&iss=https://evil.example");
    assert_eq!(visit.fails(&other).await, SignInErrorKind::Issuer);
    let silent = format!("code=c&state={state}");
    assert_eq!(visit.fails(&silent).await, SignInErrorKind::Issuer, "it promised to name itself");
    assert!(visit.issuer.requests_to("/token").is_empty());

    let field = "authorization_response_iss_parameter_supported";
    let visit = Visit::at(Issuer::new().with_document(field, Value::Null)).await;
    visit.answers(&id_token("k1", &visit.claims(), "at-1"));
    let silent = format!("code=c&state={}", visit.asked()["state"]);
    visit.returns(&silent).await.unwrap();
}

#[tokio::test]
async fn r9_the_record_of_one_provider_does_not_sign_in_at_another() {
    let visit = Visit::at(Issuer::new()).await;
    let other = Issuer::at("https://other.example").provider().await;
    let query = format!("code=c&state={}&iss=https://other.example", visit.asked()["state"]);
    let error = other.complete(visit.request.pending, Callback::from_query(&query)).await;
    assert_eq!(error.unwrap_err().kind(), SignInErrorKind::Issuer);
}

#[tokio::test]
async fn f33_a_record_is_valid_for_ten_minutes() {
    let visit = Visit::at(Issuer::new()).await;
    let almost = Duration::from_secs(600);
    visit.issuer.clock.advance(almost);
    visit.answers(&id_token("k1", &visit.claims(), "at-1"));
    visit.returns(&visit.query()).await.unwrap();
    visit.issuer.clock.advance(Duration::from_millis(1));
    assert_eq!(visit.fails(&visit.query()).await, SignInErrorKind::Expired);
}

#[tokio::test]
async fn a_denial_reports_the_protocols_error_code_only() {
    let visit = Visit::at(Issuer::new()).await;
    for (error, shown) in [("access_denied", "access_denied"), ("secret-text", "unknown")] {
        let query = format!("{}&error={error}", visit.query());
        let failure = visit.returns(&query).await.unwrap_err();
        assert_eq!(failure.kind(), SignInErrorKind::Denied);
        let text = everything_shown(&failure);
        assert!(text.contains(shown) && !text.contains("secret-text"), "{text}");
    }
    let no_code = visit.query().replace("code=c%2B1&", "");
    assert_eq!(visit.fails(&no_code).await, SignInErrorKind::MissingCode);
    assert!(visit.issuer.requests_to("/token").is_empty());
}

#[tokio::test]
async fn distinguishes_a_used_code_from_an_outage() {
    let visit = Visit::at(Issuer::new()).await;
    let refusal = json!({"error": "invalid_grant", "error_description": "c+1"});
    for (status, kind, transient) in [
        (400, SignInErrorKind::CodeRefused, false),
        (503, SignInErrorKind::Provider, true),
        (429, SignInErrorKind::Provider, true),
        (200, SignInErrorKind::Provider, false),
    ] {
        visit.issuer.script("/token", json(status, &refusal));
        let error = visit.returns(&visit.query()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{status}");
        assert!(!everything_shown(&error).contains("c+1"));
    }
}

#[tokio::test]
async fn refuses_an_invalid_id_token() {
    let now = Issuer::new().clock.now().as_millis() / 1000;
    for (claim, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("another app")),
        ("aud", json!([CLIENT_ID, "another app"])),
        ("exp", json!(now)),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("sub", json!("")),
        ("sub", json!("x".repeat(300))),
    ] {
        let error = with_claim(claim, value.clone()).await.unwrap_err();
        assert_eq!(error.kind(), SignInErrorKind::IdToken, "{claim}: {value}");
    }
    with_claim("exp", json!(now + 1)).await.unwrap();
    // The causes say which claim it was, for the log.
    let error = with_claim("aud", json!("another app")).await.unwrap_err();
    let shown = ErrorChain(&error).to_string();
    assert!(shown.contains("Invalid audiences") && shown.contains("another app"), "{shown}");
}

#[tokio::test]
async fn refuses_a_missing_forged_or_unsigned_id_token() {
    let visit = Visit::at(Issuer::new()).await;
    let claims = visit.claims();
    let good = id_token("k1", &claims, "at-1");
    let [header, payload, signature] = *good.split('.').collect::<Vec<_>>() else { panic!() };
    let encoded = |json: &str| Base64UrlUnpadded::encode_string(json.as_bytes());
    let mut mallory = claims.clone();
    mallory["sub"] = json!("mallory");
    let none = format!("{}.{payload}.", encoded(r#"{"alg":"none"}"#));
    let none_but_signed = format!("{}.{payload}.{signature}", encoded(r#"{"alg":"none"}"#));
    for forged in [
        format!("{header}.{}.{signature}", encoded(&mallory.to_string())),
        format!("{header}.{payload}."),
        none,
        none_but_signed,
        id_token_by_secret(CLIENT_SECRET, &claims, "at-1"),
        id_token("k2", &claims, "at-1"),
        id_token("k1", &claims, "another access token"),
        "not a token".to_owned(),
        String::new(),
    ] {
        visit.answers(&forged);
        let error = visit.returns(&visit.query()).await.unwrap_err();
        assert_eq!(error.kind(), SignInErrorKind::IdToken, "{forged}");
        let shown = everything_shown(&error);
        assert!(!shown.contains(payload) && !shown.contains("at-1"), "{shown}");
    }
}

#[tokio::test]
async fn accepts_a_token_signed_with_the_clients_secret_if_the_provider_announces_it() {
    let algorithms = json!(["HS256"]);
    let issuer = Issuer::new().with_document("id_token_signing_alg_values_supported", algorithms);
    let visit = Visit::at(issuer).await;
    visit.answers(&id_token_by_secret(CLIENT_SECRET, &visit.claims(), "at-1"));
    visit.returns(&visit.query()).await.unwrap();
    let token = id_token_by_secret(CLIENT_SECRET, &visit.claims(), "at-1");
    for length in [0, 2, 42, 44] {
        let signed = token.rsplit_once('.').unwrap().0;
        visit.answers(&format!("{signed}.{}", "A".repeat(length)));
        assert_eq!(visit.fails(&visit.query()).await, SignInErrorKind::IdToken, "{length}");
    }
    visit.answers(&id_token_by_secret("guessed", &visit.claims(), "at-1"));
    assert_eq!(visit.fails(&visit.query()).await, SignInErrorKind::IdToken);
    visit.answers(&id_token_by_secret(CLIENT_SECRET, &visit.claims(), "another access token"));
    assert_eq!(visit.fails(&visit.query()).await, SignInErrorKind::IdToken);
}

#[tokio::test]
async fn fetches_the_keys_again_after_the_issuer_rotated_them() {
    let visit = Visit::at(Issuer::new()).await;
    visit.issuer.publish_key("k2");
    visit.answers(&id_token("k2", &visit.claims(), "at-1"));
    visit.returns(&visit.query()).await.unwrap();
    assert_eq!(visit.issuer.requests_to("/jwks").len(), 2, "at the start and at the new key");
    visit.answers(&id_token("k1", &visit.claims(), "at-1"));
    assert_eq!(visit.fails(&visit.query()).await, SignInErrorKind::IdToken, "a withdrawn key");
}

#[tokio::test]
async fn two_rotations_of_the_keys_cost_no_minute() {
    let visit = Visit::at(Issuer::new()).await;
    for kid in ["k2", "k3"] {
        visit.issuer.publish_key(kid);
        visit.issuer.clock.advance(Duration::from_secs(1));
        visit.answers(&id_token(kid, &visit.claims(), "at-1"));
        visit.returns(&visit.query()).await.unwrap();
    }
}

#[tokio::test]
async fn keys_that_could_not_be_fetched_are_fetched_at_the_next_sign_in() {
    let visit = Visit::at(Issuer::new()).await;
    visit.issuer.publish_key("k2");
    visit.issuer.script_outage("/jwks", "connection refused");
    visit.answers(&id_token("k2", &visit.claims(), "at-1"));
    assert!(visit.returns(&visit.query()).await.unwrap_err().is_transient());
    visit.issuer.clock.advance(Duration::from_secs(1));
    visit.answers(&id_token("k2", &visit.claims(), "at-1"));
    visit.returns(&visit.query()).await.unwrap();
}

#[tokio::test]
async fn b6_invented_key_ids_do_not_flood_the_issuer() {
    let visit = Visit::at(Issuer::new()).await;
    let attempt = async || {
        visit.answers(&id_token("k9", &visit.claims(), "at-1"));
        assert_eq!(visit.fails(&visit.query()).await, SignInErrorKind::IdToken);
        visit.issuer.requests_to("/jwks").len()
    };
    assert_eq!(attempt().await, 2);
    assert_eq!(attempt().await, 2);
    visit.issuer.clock.advance(Duration::from_secs(9));
    assert_eq!(attempt().await, 2);
    visit.issuer.clock.advance(Duration::from_secs(1));
    assert_eq!(attempt().await, 3);
}

#[tokio::test]
async fn an_outage_of_the_keys_keeps_the_old_ones_valid() {
    let visit = Visit::at(Issuer::new()).await;
    visit.issuer.script_outage("/jwks", "connection refused");
    visit.answers(&id_token("k9", &visit.claims(), "at-1"));
    let error = visit.returns(&visit.query()).await.unwrap_err();
    assert!(error.is_transient(), "the key may be a new one: {error}");
    visit.answers(&id_token("k1", &visit.claims(), "at-1"));
    visit.returns(&visit.query()).await.unwrap();
}

#[tokio::test]
async fn returns_the_providers_sign_out_address_if_there_is_one() {
    let provider = Issuer::new().provider().await;
    let url = provider.end_session_url(Some("the.id.token"), Some("https://app.example/")).await;
    let url = Url::parse(&url.unwrap().unwrap()).unwrap();
    assert_eq!(url.path(), "/logout");
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["id_token_hint"], "the.id.token");
    assert_eq!(query["post_logout_redirect_uri"], "https://app.example/");
    assert_eq!(query["client_id"], CLIENT_ID);
    let error = provider.end_session_url(None, Some("nowhere")).await.unwrap_err();
    assert_eq!(error.field(), Some("post_logout_redirect_uri"));

    let silent = Issuer::new().with_document("end_session_endpoint", Value::Null);
    assert_eq!(silent.provider().await.end_session_url(None, None).await.unwrap(), None);
}

#[tokio::test]
async fn names_an_invalid_redirect_address() {
    let provider = Issuer::new().provider().await;
    let options = AuthorizationOptions::new("/callback");
    let error = provider.authorization_request(options).await.unwrap_err();
    assert_eq!(error.field(), Some("redirect_uri"));
}

#[tokio::test]
async fn passes_further_parameters_on_but_not_those_that_protect_the_sign_in() {
    let issuer = Issuer::new();
    let options = || AuthorizationOptions::new(CALLBACK);
    let asked = options()
        .with_param("prompt", "consent")
        .with_param("access_type", "offline")
        .with_param("resource", "https://api.example/")
        .with_required_authentication(
            RequiredAuthentication::within(Duration::from_secs(3600))
                .with_acr("phr")
                .unwrap()
                .with_acr("mfa")
                .unwrap(),
        );
    let visit = Visit::with(issuer.clone(), issuer.provider().await, asked).await;
    for (name, value) in [
        ("prompt", "consent"),
        ("access_type", "offline"),
        ("resource", "https://api.example/"),
        ("max_age", "3600"),
        ("acr_values", "phr mfa"),
    ] {
        assert_eq!(visit.asked()[name], value);
    }
    for name in ["state", "nonce", "redirect_uri", "scope", "request_uri", "response_type"] {
        let request = visit.provider.authorization_request(options().with_param(name, "x")).await;
        assert_eq!(request.unwrap_err().field(), Some("param"), "{name}");
    }
}

#[tokio::test]
async fn f38_gives_the_tokens_of_a_refused_id_token_back_if_that_revokes_nothing_else() {
    for (scope, revocations) in
        [(RevocationScope::Token, 1), (RevocationScope::Grant, 0), (RevocationScope::Unknown, 0)]
    {
        let issuer = Issuer::new();
        issuer.script("/revoke", ok(&json!({})));
        let provider = issuer.builder().with_revocation_scope(scope).discover().await.unwrap();
        let visit = Visit::with(issuer, provider, AuthorizationOptions::new(CALLBACK)).await;
        let mut claims = visit.claims();
        claims["nonce"] = json!("another");
        visit.answers(&id_token("k1", &claims, "at-1"));
        assert_eq!(visit.fails(&visit.query()).await, SignInErrorKind::IdToken);
        let revoked = visit.issuer.requests_to("/revoke");
        assert_eq!(revoked.len(), revocations, "{scope:?}");
        assert!(revoked.iter().all(|request| request.form["token"] == "rt-1"));
    }
}

#[tokio::test]
async fn debug_shows_no_secret_of_a_pending_sign_in() {
    let visit = Visit::at(Issuer::new()).await;
    let (shown, asked) = (format!("{:?}", visit.request), visit.asked());
    for field in ["state", "nonce", "code_challenge", "login_hint"] {
        assert!(!shown.contains(&asked[field]), "{field}: {shown}");
    }
}

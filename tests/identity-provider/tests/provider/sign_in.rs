//! Sign-ins.

use std::sync::atomic::Ordering;
use std::time::Duration;

use openidconnect::{
    AccessTokenHash, AuthorizationCode, Nonce, OAuth2TokenResponse, TokenResponse,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::site::{CALLBACK, LIFETIME, Site, assert_error, param, refresh_token, returned};

#[tokio::test]
async fn signs_in_from_discovery_to_userinfo() {
    let site = Site::start().await;
    let attempt = site.attempt("alice");
    let back = returned(&site.http.get(attempt.url.clone()).send().await.unwrap());
    assert!(back.as_str().starts_with(CALLBACK));
    assert_eq!(param(&back, "state").as_deref(), Some(attempt.state.secret().as_str()));
    assert_eq!(param(&back, "iss").as_deref(), Some(site.provider.issuer().as_str()));

    let code = AuthorizationCode::new(param(&back, "code").unwrap());
    let request = site.relying.exchange_code(code).unwrap().set_pkce_verifier(attempt.verifier);
    let tokens = request.request_async(&site.http).await.unwrap();
    assert_eq!(tokens.expires_in(), Some(LIFETIME));

    let clock = site.clock.clone();
    let now = move || chrono_time(clock.load(Ordering::SeqCst));
    let verifier = site.relying.id_token_verifier().set_time_fn(now);
    let id_token = tokens.id_token().unwrap();
    assert!(id_token.claims(&verifier, &Nonce::new("another".into())).is_err());
    let claims = id_token.claims(&verifier, &attempt.nonce).unwrap();
    assert_eq!(claims.subject().as_str(), "alice");
    assert_eq!(claims.auth_time(), Some(chrono_time(site.clock.load(Ordering::SeqCst))));
    let key = id_token.signing_key(&verifier).unwrap();
    let at_hash =
        AccessTokenHash::from_token(tokens.access_token(), id_token.signing_alg().unwrap(), key)
            .unwrap();
    assert_eq!(claims.access_token_hash(), Some(&at_hash));

    let userinfo: Value = site.userinfo(tokens.access_token().secret()).await.json().await.unwrap();
    let sid = &claims.additional_claims().sid;
    let expected = json!({
        "sub": "alice", "name": "alice", "preferred_username": "alice", "email": "alice@example.test",
        "email_verified": true, "sid": sid,
    });
    assert_eq!(userinfo, expected);
}

fn chrono_time(epoch_ms: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_millis(epoch_ms).unwrap()
}

#[tokio::test]
async fn every_login_is_a_session_of_its_own() {
    let site = Site::start().await;
    let (laptop, phone) = (site.sign_in("alice").await, site.sign_in("alice").await);
    let mut sids = Vec::new();
    for tokens in [&laptop, &phone] {
        let userinfo: Value =
            site.userinfo(tokens.access_token().secret()).await.json().await.unwrap();
        sids.push(userinfo["sid"].as_str().unwrap().to_owned());
    }
    assert_ne!(sids[0], sids[1]);
    let mut families: Vec<_> =
        site.control().families().into_iter().map(|family| family.sid).collect();
    families.sort();
    sids.sort();
    assert_eq!(families, sids);
    let stats = site.control().stats();
    assert_eq!((stats.logins, stats.token_requests, stats.families_alive), (2, 2, 2));
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let site = Site::start().await;
    let (first, second) = (site.attempt("alice"), site.attempt("alice"));
    let (early, late) = (site.code(&first).await, site.code(&second).await);
    site.advance(Duration::from_millis(59_999));
    let request = site.relying.exchange_code(early).unwrap().set_pkce_verifier(first.verifier);
    assert!(request.request_async(&site.http).await.is_ok());
    site.advance(Duration::from_millis(1));
    assert_error(
        exchange(&site, late.secret(), second.verifier.secret()).await,
        400,
        "invalid_grant",
    )
    .await;
}

#[tokio::test]
async fn a_code_that_comes_back_revokes_what_it_gave() {
    let site = Site::start().await;
    let bystander = site.sign_in("alice").await;
    let attempt = site.attempt("alice");
    let code = site.code(&attempt).await;
    let verifier = attempt.verifier.secret();
    let tokens: crate::site::Tokens =
        exchange(&site, code.secret(), verifier).await.json().await.unwrap();
    assert!(site.is_good(&tokens).await);

    assert_error(exchange(&site, code.secret(), verifier).await, 400, "invalid_grant").await;
    assert!(!site.is_good(&tokens).await);
    assert_error(site.renew(refresh_token(&tokens)).await, 400, "invalid_grant").await;
    assert!(site.is_good(&bystander).await);
    assert_eq!(site.control().stats().code_reuse_detected, 1);
}

#[tokio::test]
async fn the_verifier_must_fit_and_a_misfit_spends_the_code() {
    let site = Site::start().await;
    let attempt = site.attempt("alice");
    let code = site.code(&attempt).await;
    let wrong = "x".repeat(43);
    assert_error(exchange(&site, code.secret(), &wrong).await, 400, "invalid_grant").await;
    assert_error(
        exchange(&site, code.secret(), attempt.verifier.secret()).await,
        400,
        "invalid_grant",
    )
    .await;

    let attempt = site.attempt("alice");
    let code = site.code(&attempt).await;
    assert_error(exchange(&site, code.secret(), "short").await, 400, "invalid_grant").await;

    // A verifier for a code that was asked for without a challenge.
    let url = format!(
        "{}?response_type=code&client_id=devices&scope=openid&login_hint=alice&redirect_uri={CALLBACK}",
        site.endpoint("/authorize")
    );
    let back = returned(&site.http.get(url).send().await.unwrap());
    let code = param(&back, "code").unwrap();
    assert_error(exchange(&site, &code, &wrong).await, 400, "invalid_grant").await;
}

#[tokio::test]
async fn a_code_is_bound_to_its_client_and_its_address() {
    let site = Site::start().await;
    let attempt = site.attempt("alice");
    let code = site.code(&attempt).await;
    let form = exchange_form(code.secret(), attempt.verifier.secret(), CALLBACK);
    let others = site
        .http
        .post(site.endpoint("/token"))
        .basic_auth("other", Some("other-secret"))
        .form(&form);
    assert_error(others.send().await.unwrap(), 400, "invalid_grant").await;

    // Another client's try does not spend it.
    assert_eq!(site.token_request(&form).await.status(), StatusCode::OK);

    let attempt = site.attempt("alice");
    let code = site.code(&attempt).await;
    let elsewhere = "http://127.0.0.1:4712/callback";
    let form = exchange_form(code.secret(), attempt.verifier.secret(), elsewhere);
    assert_error(site.token_request(&form).await, 400, "invalid_grant").await;
}

async fn exchange(site: &Site, code: &str, verifier: &str) -> reqwest::Response {
    site.token_request(&exchange_form(code, verifier, CALLBACK)).await
}

fn exchange_form<'a>(
    code: &'a str,
    verifier: &'a str,
    redirect_uri: &'a str,
) -> [(&'a str, &'a str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect_uri),
    ]
}

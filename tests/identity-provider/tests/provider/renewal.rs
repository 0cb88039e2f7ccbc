//! Renewals, rotation and reuse detection.

use std::time::Duration;

use openidconnect::{Nonce, OAuth2TokenResponse, RefreshToken, TokenResponse};
use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::Value;

use crate::site::{LIFETIME, Site, Tokens, assert_error, refresh_token};

#[tokio::test]
async fn a_renewal_rotates_the_refresh_token() {
    let site = Site::start().await;
    let first = site.sign_in("alice").await;
    site.advance(Duration::from_secs(60));
    let token = RefreshToken::new(refresh_token(&first).to_owned());
    let second: Tokens = site
        .relying
        .exchange_refresh_token(&token)
        .unwrap()
        .request_async(&site.http)
        .await
        .unwrap();
    assert_ne!(refresh_token(&second), refresh_token(&first));
    assert_ne!(second.access_token().secret(), first.access_token().secret());
    assert!(site.is_good(&first).await && site.is_good(&second).await);

    // The same login: the same sid and time of sign-in, and no nonce.
    let now = site.clock.load(std::sync::atomic::Ordering::SeqCst);
    let at = move || chrono::DateTime::from_timestamp_millis(now).unwrap();
    let verifier = site.relying.id_token_verifier().set_time_fn(at);
    let any = |_: Option<&Nonce>| Ok(());
    let before = first.id_token().unwrap().claims(&verifier, any).unwrap();
    let after = second.id_token().unwrap().claims(&verifier, any).unwrap();
    assert_eq!(after.additional_claims(), before.additional_claims());
    assert_eq!(after.auth_time(), before.auth_time());
    assert!(before.nonce().is_some() && after.nonce().is_none());
    assert_eq!(site.control().stats().renewals, 1);
}

#[tokio::test]
async fn reuse_revokes_the_family_and_no_other() {
    let site = Site::start().await;
    let (laptop, phone) = (site.sign_in("alice").await, site.sign_in("alice").await);
    let renewed: Tokens = site.renew(refresh_token(&laptop)).await.json().await.unwrap();

    assert_error(site.renew(refresh_token(&laptop)).await, 400, "invalid_grant").await;
    assert_eq!(site.control().stats().reuse_detected, 1);
    assert_error(site.renew(refresh_token(&renewed)).await, 400, "invalid_grant").await;
    assert!(!site.is_good(&laptop).await && !site.is_good(&renewed).await);

    assert!(site.is_good(&phone).await);
    assert_eq!(site.renew(refresh_token(&phone)).await.status(), StatusCode::OK);
    let stats = site.control().stats();
    assert_eq!((stats.reuse_detected, stats.families_alive, stats.renewals), (1, 1, 2));
}

#[tokio::test]
async fn of_simultaneous_renewals_with_one_token_one_succeeds() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let tries = (0..8).map(|_| {
        let request =
            site.http.post(site.endpoint("/token")).basic_auth("devices", Some("devices-secret"));
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens))];
        tokio::spawn(request.form(&form).send())
    });
    let mut succeeded = 0;
    for answer in tries.collect::<Vec<_>>() {
        succeeded += usize::from(answer.await.unwrap().unwrap().status() == StatusCode::OK);
    }
    assert_eq!(succeeded, 1);
    let stats = site.control().stats();
    // The second request detected the reuse and ended the family.
    assert_eq!((stats.renewals, stats.reuse_detected, stats.families_alive), (1, 1, 0));
}

#[tokio::test]
async fn without_reuse_detection_the_family_stays_valid() {
    let site =
        Site::with(|builder| builder.configure(|settings| settings.detect_reuse = false)).await;
    let tokens = site.sign_in("alice").await;
    let renewed: Tokens = site.renew(refresh_token(&tokens)).await.json().await.unwrap();
    assert_error(site.renew(refresh_token(&tokens)).await, 400, "invalid_grant").await;
    assert_eq!(site.renew(refresh_token(&renewed)).await.status(), StatusCode::OK);
    assert_eq!(site.control().stats().reuse_detected, 0);
}

#[tokio::test]
async fn within_the_grace_period_a_used_token_renews() {
    let grace = Duration::from_secs(10);
    let site =
        Site::with(|builder| builder.configure(|settings| settings.reuse_grace = grace)).await;
    let tokens = site.sign_in("alice").await;
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
    site.advance(grace - Duration::from_millis(1));
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
    // Counted from the first use, not from the last.
    site.advance(Duration::from_millis(1));
    assert_error(site.renew(refresh_token(&tokens)).await, 400, "invalid_grant").await;
    assert_eq!(site.control().stats().reuse_detected, 1);
}

#[tokio::test]
async fn userinfo_rejects_an_expired_access_token() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    site.advance(LIFETIME - Duration::from_millis(1));
    assert!(site.is_good(&tokens).await);
    site.advance(Duration::from_millis(1));
    let refused = site.userinfo(tokens.access_token().secret()).await;
    assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Bearer error=\"invalid_token\"");
    assert_error(refused, 401, "invalid_token").await;
    assert_error(site.userinfo("never-issued").await, 401, "invalid_token").await;

    let without = site.http.get(site.endpoint("/userinfo")).send().await.unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
    assert!(!without.headers()[WWW_AUTHENTICATE].to_str().unwrap().contains("error="));

    // The refresh token outlives it.
    let renewed: Tokens = site.renew(refresh_token(&tokens)).await.json().await.unwrap();
    assert!(site.is_good(&renewed).await);
}

#[tokio::test]
async fn a_renewal_may_narrow_the_scope_and_not_widen_it() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let token = refresh_token(&tokens);
    let form =
        |scope| [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
    assert_error(site.token_request(&form("openid email")).await, 400, "invalid_scope").await;
    // The rejected request did not use up the token.
    let body: Value = site.token_request(&form("openid")).await.json().await.unwrap();
    assert_eq!(body["scope"], "openid");
}

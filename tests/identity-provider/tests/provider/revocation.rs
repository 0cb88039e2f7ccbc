//! Revocation.

use openidconnect::OAuth2TokenResponse;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::site::{Site, Tokens, assert_error, refresh_token};

#[tokio::test]
async fn revoking_a_refresh_token_ends_its_family_only() {
    let site = Site::start().await;
    let (laptop, phone) = (site.sign_in("alice").await, site.sign_in("alice").await);
    assert_eq!(revoke(&site, refresh_token(&laptop)).await.status(), StatusCode::OK);
    assert!(!site.is_good(&laptop).await);
    assert_error(site.renew(refresh_token(&laptop)).await, 400, "invalid_grant").await;
    assert!(site.is_good(&phone).await);

    // A second time, and for an unknown token: a success that revokes nothing.
    assert_eq!(revoke(&site, refresh_token(&laptop)).await.status(), StatusCode::OK);
    assert_eq!(revoke(&site, "never-issued").await.status(), StatusCode::OK);
    let stats: Value =
        site.http.get(site.endpoint("/stats")).send().await.unwrap().json().await.unwrap();
    assert_eq!(stats["revocations"], 1);
    assert_eq!(stats["revocation_requests"], 3);
    // Presenting a revoked token is not reuse.
    assert_eq!(stats["reuse_detected"], 0);
    assert_eq!(stats["families_alive"], 1);
    assert!(stats["token_requests"].is_u64() && stats["renewals"].is_u64());
}

#[tokio::test]
async fn revoking_a_used_refresh_token_ends_the_family_too() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let renewed: Tokens = site.renew(refresh_token(&tokens)).await.json().await.unwrap();
    assert_eq!(revoke(&site, refresh_token(&tokens)).await.status(), StatusCode::OK);
    assert!(!site.is_good(&renewed).await);
}

#[tokio::test]
async fn revoking_an_access_token_leaves_the_refresh_token() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    assert_eq!(revoke(&site, tokens.access_token().secret()).await.status(), StatusCode::OK);
    assert!(!site.is_good(&tokens).await);
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn another_client_cannot_revoke() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let request =
        site.http.post(site.endpoint("/revoke")).form(&[("token", refresh_token(&tokens))]);
    assert_error(request.try_clone().unwrap().send().await.unwrap(), 401, "invalid_client").await;
    let others = request.basic_auth("other", Some("other-secret")).send().await.unwrap();
    assert_error(others, 400, "unauthorized_client").await;
    assert!(site.is_good(&tokens).await);
    assert_eq!(site.control().stats().revocations, 0);
}

#[tokio::test]
async fn the_control_handle_ends_a_family_or_its_access_tokens() {
    let site = Site::start().await;
    let (laptop, phone) = (site.sign_in("alice").await, site.sign_in("bob").await);
    let sid_of = |subject: &str| {
        let families = site.control().families();
        families.into_iter().find(|family| family.subject == subject).unwrap().sid
    };
    assert!(site.control().revoke_access_tokens(&sid_of("alice")));
    assert!(!site.is_good(&laptop).await && site.is_good(&phone).await);
    assert_eq!(site.renew(refresh_token(&laptop)).await.status(), StatusCode::OK);

    let bob = sid_of("bob");
    assert!(site.control().revoke_family(&bob));
    assert!(!site.control().revoke_family(&bob));
    assert_error(site.renew(refresh_token(&phone)).await, 400, "invalid_grant").await;
}

async fn revoke(site: &Site, token: &str) -> Response {
    let request =
        site.http.post(site.endpoint("/revoke")).basic_auth("devices", Some("devices-secret"));
    request.form(&[("token", token)]).send().await.unwrap()
}

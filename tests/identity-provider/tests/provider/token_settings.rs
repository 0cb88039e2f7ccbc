//! Settings of token responses.

use std::time::Duration;

use identity_provider::Settings;
use serde_json::{Value, json};

use crate::site::{Site, Tokens, refresh_token};

#[tokio::test]
async fn the_lifetime_changes_while_it_runs_for_new_tokens_only() {
    let site = Site::start().await;
    let long = site.sign_in("alice").await;
    site.control().set_access_token_lifetime(Duration::from_secs(2));
    let body = renewed(&site, &site.sign_in("alice").await).await;
    assert_eq!(body["expires_in"], 2);
    site.advance(Duration::from_secs(2));
    assert_eq!(site.userinfo(body["access_token"].as_str().unwrap()).await.status().as_u16(), 401);
    assert!(site.is_good(&long).await);
}

#[tokio::test]
async fn expires_in_can_be_left_out() {
    let body = first_answer(|settings| settings.send_expires_in = false).await;
    assert_eq!(body.get("expires_in"), None);
}

#[tokio::test]
async fn refresh_tokens_can_be_left_out() {
    let site =
        Site::with(|builder| builder.configure(|settings| settings.issue_refresh_tokens = false))
            .await;
    let tokens = serde_json::to_value(site.sign_in("alice").await).unwrap();
    assert_eq!(tokens.get("refresh_token"), None);
}

#[tokio::test]
async fn without_rotation_the_refresh_token_stays() {
    let site =
        Site::with(|builder| builder.configure(|settings| settings.rotate_refresh_tokens = false))
            .await;
    let tokens = site.sign_in("alice").await;
    for _ in 0..3 {
        let body = renewed(&site, &tokens).await;
        assert_eq!(body.get("refresh_token"), None);
        assert!(body["access_token"].is_string());
    }
    let stats = site.control().stats();
    assert_eq!((stats.renewals, stats.reuse_detected), (3, 0));
}

#[tokio::test]
async fn a_renewal_can_leave_out_the_id_token() {
    let body = first_answer(|settings| settings.id_token_on_renewal = false).await;
    assert_eq!(body.get("id_token"), None);
}

#[tokio::test]
async fn unknown_fields_are_added_and_replace_nothing() {
    let body = first_answer(|settings| {
        settings.extra_token_fields.insert("tenant".into(), json!({ "id": 7 }));
        settings.extra_token_fields.insert("token_type".into(), json!("forged"));
    })
    .await;
    assert_eq!(body["tenant"], json!({ "id": 7 }));
    assert_eq!(body["token_type"], "bearer");
}

#[tokio::test]
async fn debug_output_shows_no_token_and_no_secret() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let shown = format!("{:?} {:?}", site.provider, site.control().settings());
    for secret in [refresh_token(&tokens), "devices-secret", "PRIVATE KEY"] {
        assert!(!shown.contains(secret));
    }
}

/// The answer to a renewal under changed settings.
async fn first_answer(change: impl FnOnce(&mut Settings)) -> Value {
    let site = Site::with(|builder| builder.configure(change)).await;
    renewed(&site, &site.sign_in("alice").await).await
}

async fn renewed(site: &Site, tokens: &Tokens) -> Value {
    let answer = site.renew(refresh_token(tokens)).await;
    assert_eq!(answer.status().as_u16(), 200);
    answer.json().await.unwrap()
}

use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER};
use openidconnect::HttpResponse;
use serde_json::{Value, json};
use session_core::provider::{Provider, ProviderError, ProviderErrorKind, RevocationScope};

use crate::everything_shown;
use crate::issuer::{ISSUER, Issuer, answer, json, with_header};

async fn revoke(issuer: &Issuer, answer: HttpResponse) -> Result<(), ProviderError> {
    issuer.script("/revoke", answer);
    issuer.provider().await.revoke(&"rt-1".to_owned().into()).await
}

#[tokio::test]
async fn v1_sends_the_refresh_token_with_its_hint_and_client_authentication_in_the_body() {
    let issuer = Issuer::new();
    revoke(&issuer, answer(200, "")).await.unwrap();
    let requests = issuer.requests_to("/revoke");
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].uri.to_string(), format!("{ISSUER}/revoke"), "never in the address");
    assert_eq!(requests[0].form["token"], "rt-1");
    assert_eq!(requests[0].form["token_type_hint"], "refresh_token");
    assert!(requests[0].headers[AUTHORIZATION].to_str().unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn v1_sends_an_access_token_with_its_hint() {
    let issuer = Issuer::new();
    issuer.script("/revoke", answer(200, ""));
    issuer.provider().await.revoke_access_token(&"at-1".to_owned().into()).await.unwrap();
    let requests = issuer.requests_to("/revoke");
    assert_eq!(requests[0].form["token"], "at-1");
    assert_eq!(requests[0].form["token_type_hint"], "access_token");
}

#[tokio::test]
async fn v1_revokes_at_a_provider_on_loopback_at_its_own_address() {
    let issuer = Issuer::at("http://127.0.0.1:3001");
    revoke(&issuer, answer(200, "")).await.unwrap();
    let requests = issuer.requests_to("/revoke");
    assert_eq!(requests[0].uri.to_string(), "http://127.0.0.1:3001/revoke");
}

#[tokio::test]
async fn v2_success_is_success_whatever_the_body_says() {
    for body in ["", "{}", "OK", r#"{"error": "invalid_grant"}"#] {
        revoke(&Issuer::new(), answer(200, body)).await.unwrap();
    }
}

#[tokio::test]
async fn v2_a_token_that_is_already_invalid_is_a_success() {
    for code in ["invalid_grant", "invalid_token"] {
        revoke(&Issuer::new(), json(400, &json!({ "error": code }))).await.unwrap();
    }
}

#[tokio::test]
async fn v2_an_outage_leaves_the_token_to_be_revoked_later() {
    let busy = with_header(answer(503, ""), RETRY_AFTER, "30");
    let error = revoke(&Issuer::new(), busy).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unavailable);
    assert_eq!(error.asks_to_wait(), Some(Duration::from_secs(30)));

    for status in [500, 503] {
        let body = json!({"error": "unsupported_token_type"});
        let error = revoke(&Issuer::new(), json(status, &body)).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Unavailable, "{status}");
    }
    let error = revoke(&Issuer::new(), json(429, &json!({"error": "invalid_token"}))).await;
    assert_eq!(error.unwrap_err().kind(), ProviderErrorKind::Throttled);
}

#[tokio::test]
async fn v3_a_token_type_that_cannot_be_revoked_is_a_success() {
    revoke(&Issuer::new(), json(400, &json!({"error": "unsupported_token_type"}))).await.unwrap();
}

#[tokio::test]
async fn f42_a_wrong_client_secret_is_told_apart() {
    let error = revoke(&Issuer::new(), json(401, &json!({"error": "invalid_client"}))).await;
    assert_eq!(error.unwrap_err().kind(), ProviderErrorKind::Misconfigured);
    let error = revoke(&Issuer::new(), answer(404, "Not Found")).await;
    assert_eq!(error.unwrap_err().kind(), ProviderErrorKind::Rejected);
}

#[tokio::test]
async fn a_provider_without_revocation_is_not_asked() {
    let issuer = Issuer::new().with_document("revocation_endpoint", Value::Null);
    let error = revoke(&issuer, answer(200, "")).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
    assert!(issuer.requests_to("/revoke").is_empty());
}

#[tokio::test]
async fn f38_the_scope_of_a_revocation_is_unknown_by_default() {
    let issuer = Issuer::new();
    assert_eq!(issuer.provider().await.revocation_scope(), RevocationScope::Unknown);
    let told = issuer.builder().with_revocation_scope(RevocationScope::Token).discover().await;
    assert_eq!(told.unwrap().revocation_scope(), RevocationScope::Token);
}

#[tokio::test]
async fn r8_no_error_shows_the_token() {
    let issuer = Issuer::new();
    let told = json!({"error": "invalid_request", "error_description": "rt-1 of s3cret"});
    let error = revoke(&issuer, json(400, &told)).await.unwrap_err();
    issuer.script_outage("/revoke", "POST token=rt-1: connection reset");
    let lost = issuer.provider().await.revoke(&"rt-1".to_owned().into()).await.unwrap_err();
    for error in [error, lost] {
        let shown = everything_shown(&error);
        assert!(!shown.contains("rt-1") && !shown.contains("s3cret"), "{shown}");
    }
}

use http::header::RETRY_AFTER;
use serde_json::{Value, json};
use session_core::provider::openid::{AuthorizationOptions, Callback, OpenIdProvider, SetupError};

use crate::everything_shown;
use crate::issuer::{CLIENT_ID, CLIENT_SECRET, ISSUER, Issuer, answer, with_header};

async fn fails_with(issuer: Issuer) -> SetupError {
    issuer.builder().discover().await.unwrap_err()
}

#[tokio::test]
async fn names_the_invalid_setting_before_a_request_is_sent() {
    let secret = || Some(CLIENT_SECRET.to_owned().into());
    for (url, client_id, secret, field) in [
        ("http://id.example", CLIENT_ID, secret(), "issuer"),
        ("id.example", CLIENT_ID, secret(), "issuer"),
        ("http://127.0.0.1:3001", CLIENT_ID, secret(), "issuer"),
        ("https://id.example/?tenant=1", CLIENT_ID, secret(), "issuer"),
        (ISSUER, "", secret(), "client_id"),
        (ISSUER, "  ", secret(), "client_id"),
        (ISSUER, CLIENT_ID, Some(String::new().into()), "client_secret"),
    ] {
        let issuer = Issuer::new();
        let builder = OpenIdProvider::builder(url, client_id, issuer.client());
        let builder = match secret {
            Some(secret) => builder.with_client_secret(secret),
            None => builder,
        };
        let error = builder.build().unwrap_err();
        assert_eq!(error.field(), field, "{url} {client_id}");
        assert!(everything_shown(&error).contains(field), "the message names it");
        assert!(issuer.requests_to("/.well-known/openid-configuration").is_empty());
    }
}

#[tokio::test]
async fn a_document_of_another_issuer_is_refused() {
    let issuer = Issuer::new().with_document("issuer", json!("https://evil.example"));
    let provider = OpenIdProvider::builder(ISSUER, CLIENT_ID, issuer.client()).build().unwrap();
    assert_eq!(provider.discover().await.unwrap_err().field(), Some("issuer"));
}

#[tokio::test]
async fn r3_names_the_endpoint_to_which_secrets_must_not_be_sent() {
    for field in [
        "authorization_endpoint",
        "end_session_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
    ] {
        for url in ["http://id.example/jwks", "http://127.0.0.1:1/jwks"] {
            let error = fails_with(Issuer::new().with_document(field, json!(url))).await;
            assert_eq!(error.field(), Some(field), "{url}");
        }
    }
    let error = fails_with(Issuer::new().with_document("token_endpoint", Value::Null)).await;
    assert_eq!(error.field(), Some("token_endpoint"));
}

#[tokio::test]
async fn names_the_field_if_no_client_authentication_is_supported() {
    let field = "token_endpoint_auth_methods_supported";
    let error = fails_with(Issuer::new().with_document(field, json!(["private_key_jwt"]))).await;
    assert_eq!(error.field(), Some(field));
}

#[tokio::test]
async fn an_outage_at_start_is_transient_and_an_invalid_document_is_not() {
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let issuer = Issuer::new();
        issuer.script_outage(path, "connection refused");
        assert!(fails_with(issuer).await.is_transient(), "{path}");
        for (status, transient) in [(503, true), (429, true), (404, false), (200, false)] {
            let issuer = Issuer::new();
            let html = with_header(answer(status, "<html>"), RETRY_AFTER, "5");
            issuer.script(path, html);
            let error = fails_with(issuer).await;
            assert_eq!(error.is_transient(), transient, "{path} {status}");
            assert_eq!(error.field(), None);
        }
    }
}

#[tokio::test]
async fn r8_debug_shows_no_secret() {
    let issuer = Issuer::new();
    let builder = issuer.builder();
    let shown = format!("{builder:?}");
    let shown = format!("{shown} {:?}", builder.discover().await.unwrap());
    assert!(shown.contains(ISSUER) && !shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn everything_can_be_awaited_on_a_thread_pool() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let issuer = Issuer::new();
    let provider = is_send(is_send(issuer.builder().discover()).await).unwrap();
    let options = AuthorizationOptions::new("https://app.example/callback");
    let request = is_send(provider.authorization_request(options)).await.unwrap();
    let completed = provider.complete(request.pending, Callback::default());
    assert!(is_send(completed).await.is_err());
}

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use openidconnect::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use session_core::provider::openid::{AuthorizationOptions, Endpoint, OpenIdProvider};
use session_core::provider::{Provider, ProviderErrorKind};
use session_core::testing::{FakeClock, sample};

use crate::issuer::{CLIENT_ID, ISSUER, Issuer, Unreachable, json, ok};

const DOCUMENT: &str = "/.well-known/openid-configuration";

fn options() -> AuthorizationOptions {
    AuthorizationOptions::new("https://app.example/callback")
}

fn documents(issuer: &Issuer) -> usize {
    issuer.requests_to(DOCUMENT).len()
}

#[tokio::test]
async fn an_application_starts_while_its_provider_is_away() {
    let issuer = Issuer::new();
    let provider = issuer.builder().build().unwrap();
    assert_eq!(documents(&issuer), 0, "building asks nothing");
    issuer.script_outage(DOCUMENT, "connection refused");
    let error = provider.authorization_request(options()).await.unwrap_err();
    assert!(error.is_transient());
    let token = "rt".to_owned().into();
    let error = provider.revoke(&token).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unavailable, "an outage ends nothing");
    assert_eq!(documents(&issuer), 1, "a failure is not repeated within a second");

    issuer.clock.advance(Duration::from_secs(1));
    for _ in 0..2 {
        assert!(provider.authorization_request(options()).await.is_ok());
    }
    assert_eq!(documents(&issuer), 2);
}

#[tokio::test]
async fn an_invalid_document_ends_no_session() {
    let issuer = Issuer::new().with_document("token_endpoint", Value::Null);
    let provider = issuer.builder().build().unwrap();
    let error = provider.revoke(&"rt".to_owned().into()).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Misconfigured);
}

#[tokio::test]
async fn f6_a_refusal_of_the_document_is_none_of_a_token() {
    let issuer = Issuer::new();
    let provider = issuer.builder().build().unwrap();
    issuer.script(DOCUMENT, json(400, &json!({ "error": "invalid_grant" })));
    let error = provider.renew(&sample::tokens()).await.unwrap_err();
    assert!(!error.is_refused(), "no token was sent: {error:?}");
    assert_eq!(error.kind(), ProviderErrorKind::Malformed);
}

#[tokio::test]
async fn one_fetch_serves_all_that_wait_for_the_document() {
    let issuer = Issuer::new();
    let provider = issuer.builder().build().unwrap();
    let requests = join_all((0..100).map(|_| provider.authorization_request(options()))).await;
    assert!(requests.iter().all(Result::is_ok));
    assert_eq!(documents(&issuer), 1);
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up_after_the_timeout() {
    let clock = FakeClock::new();
    let hangs = |_: HttpRequest| pending::<Result<HttpResponse, Unreachable>>();
    let provider = OpenIdProvider::builder(ISSUER, CLIENT_ID, hangs)
        .with_clock(Arc::new(clock.clone()))
        .with_call_timeout(Duration::from_secs(3))
        .build()
        .unwrap();
    let request = provider.authorization_request(options());
    let later = async {
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(3));
    };
    let (request, ()) = tokio::join!(request, later);
    assert!(request.unwrap_err().is_transient());
}

#[tokio::test]
async fn an_old_document_serves_until_a_newer_one_is_there() {
    let issuer = Issuer::new();
    let provider = issuer.provider().await;
    let token_endpoint = async || provider.endpoints().await.unwrap().token.to_string();
    issuer.clone().with_document("token_endpoint", json!(format!("{ISSUER}/token-2")));
    assert_eq!(token_endpoint().await, format!("{ISSUER}/token"));

    issuer.clock.advance(Duration::from_secs(24 * 60 * 60));
    issuer.script_outage(DOCUMENT, "connection refused");
    assert_eq!(token_endpoint().await, format!("{ISSUER}/token"), "an outage changes nothing");
    assert_eq!(token_endpoint().await, format!("{ISSUER}/token"));
    assert_eq!(documents(&issuer), 2, "and is not asked about at each call");
    issuer.clock.advance(Duration::from_secs(60));
    assert_eq!(token_endpoint().await, format!("{ISSUER}/token-2"));
}

#[tokio::test]
async fn an_endpoint_that_the_document_does_not_name_is_set_by_hand() {
    let issuer = Issuer::new().with_document("revocation_endpoint", Value::Null);
    let provider = issuer.provider().await;
    let error = provider.revoke(&"rt".to_owned().into()).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);

    let builder = issuer.builder().with_endpoint(Endpoint::Revocation, format!("{ISSUER}/by-hand"));
    let provider =
        builder.with_endpoint(Endpoint::Userinfo, format!("{ISSUER}/me")).build().unwrap();
    issuer.script("/by-hand", ok(&json!({})));
    provider.revoke(&"rt".to_owned().into()).await.unwrap();
    let endpoints = provider.endpoints().await.unwrap();
    assert_eq!(endpoints.userinfo.unwrap().to_string(), format!("{ISSUER}/me"));
    assert_eq!(endpoints.keys.to_string(), format!("{ISSUER}/jwks"));
    assert_eq!(endpoints.end_session.unwrap().to_string(), format!("{ISSUER}/logout"));

    let insecure = issuer.builder().with_endpoint(Endpoint::Revocation, "http://id.example/revoke");
    assert_eq!(insecure.build().unwrap_err().field(), "revocation_endpoint");
}

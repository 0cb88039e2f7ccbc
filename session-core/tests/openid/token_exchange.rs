//! Access tokens for further resources by token exchange (RFC 8693).

use std::time::Duration;

use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use session_core::clock::Clock;
use session_core::provider::openid::ExchangeTarget;
use session_core::provider::{Provider, ProviderError, ProviderErrorKind, ResourceGrant};
use session_core::token::Resource;
use session_core::{TokenResponse, TokenSet};

use crate::everything_shown;
use crate::issuer::{Issuer, Request, json, ok};

const EXCHANGED: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn exchange(issuer: &Issuer, target: ExchangeTarget) -> Result<TokenResponse, ProviderError> {
    let provider = issuer.builder().with_token_exchange(target).build().unwrap();
    assert_eq!(provider.resource_grant(), ResourceGrant::AccessToken);
    let resource = Resource::new("https://calendar.example/").unwrap().with_scope("write read");
    let held = TokenResponse::bearer("at-main/+").with_refresh_token("rt-main");
    let held = TokenSet::new(held, issuer.clock.now(), Duration::ZERO);
    provider.renew_for(&held, &resource).await
}

async fn answered(answer: &Value) -> Result<TokenResponse, ProviderError> {
    let issuer = Issuer::new();
    issuer.script("/token", ok(answer));
    exchange(&issuer, ExchangeTarget::Resource).await
}

fn only_request(issuer: &Issuer) -> Request {
    let mut requests = issuer.requests_to("/token");
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

#[tokio::test]
async fn rfc_8693_sends_the_access_token_and_the_client_s_authentication() {
    let issuer = Issuer::new();
    issuer.script(
        "/token",
        ok(&json!({
            "access_token": "at-calendar", "issued_token_type": EXCHANGED, "token_type": "Bearer",
            "expires_in": 60, "refresh_token": "rt-exchanged", "id_token": "x.y.z",
        })),
    );
    let response = exchange(&issuer, ExchangeTarget::Resource).await.unwrap();
    assert!(!response.has_refresh_token(), "it would take the place of the session's own");
    assert_eq!(response.expires_in(), Some(Duration::from_secs(60)));

    let request = only_request(&issuer);
    assert!(request.headers[AUTHORIZATION].to_str().unwrap().starts_with("Basic "));
    let mut sent: Vec<_> = request.form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    sent.sort_unstable();
    assert_eq!(
        sent,
        [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", EXCHANGED),
            ("resource", "https://calendar.example/"),
            ("scope", "read write"),
            ("subject_token", "at-main/+"),
            ("subject_token_type", EXCHANGED),
        ]
    );
}

#[tokio::test]
async fn a_provider_that_names_resources_itself_is_sent_the_audience() {
    let issuer = Issuer::new();
    issuer.script("/token", ok(&json!({"access_token": "at", "token_type": "Bearer"})));
    exchange(&issuer, ExchangeTarget::Audience).await.unwrap();
    let form = only_request(&issuer).form;
    assert_eq!(form["audience"], "https://calendar.example/");
    assert!(!form.contains_key("resource"));
}

#[tokio::test]
async fn another_kind_of_token_is_refused() {
    for answer in [
        json!({"access_token": "at", "token_type": "N_A"}),
        json!({"access_token": "at", "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}),
    ] {
        let error = answered(&answer).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::Malformed, "{answer}");
    }
    let jwt = json!({"access_token": "at", "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:jwt"});
    assert!(answered(&jwt).await.is_ok());
}

#[tokio::test]
async fn r8_no_error_contains_the_token() {
    let issuer = Issuer::new();
    issuer.script("/token", json(400, &json!({"error": "invalid_target at-main/+"})));
    let refused = exchange(&issuer, ExchangeTarget::Resource).await.unwrap_err();
    assert_eq!(refused.kind(), ProviderErrorKind::Rejected);
    issuer.script_outage("/token", "cannot send subject_token=at-main%2F%2B");
    let away = exchange(&issuer, ExchangeTarget::Resource).await.unwrap_err();
    for error in [refused, away] {
        let shown = everything_shown(&error);
        assert!(!shown.contains("at-main"), "{shown}");
    }
}

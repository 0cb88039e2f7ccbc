//! Tokens for a resource, and what a resource server learns of them.

use openidconnect::OAuth2TokenResponse as _;
use serde_json::{Value, json};

use crate::site::{CALLBACK, Site, Tokens, assert_error, param, refresh_token, returned};

const FILES: &str = "https://files.example/mcp";

async fn post(site: &Site, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
    let request = site.http.post(site.endpoint(path)).basic_auth("devices", Some("devices-secret"));
    request.form(form).send().await.unwrap()
}

async fn introspect(site: &Site, token: &str) -> Value {
    post(site, "/introspect", &[("token", token)]).await.json().await.unwrap()
}

/// Signs in for a resource, and exchanges the code for one that may be another.
async fn exchange(site: &Site, resource: &str) -> reqwest::Response {
    let mut attempt = site.attempt("alice");
    attempt.url.query_pairs_mut().append_pair("resource", FILES);
    let back = returned(&site.http.get(attempt.url.clone()).send().await.unwrap());
    let code = param(&back, "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", attempt.verifier.secret()),
        ("resource", resource),
    ];
    post(site, "/token", &form).await
}

#[tokio::test]
async fn a_token_is_for_the_resource_that_was_asked_for_also_after_a_renewal() {
    let site = Site::start().await;
    let tokens: Tokens = exchange(&site, FILES).await.json().await.unwrap();
    let claims = introspect(&site, tokens.access_token().secret()).await;
    let expected = (json!(true), json!(FILES), json!("alice"), json!("devices"));
    let seen = ["active", "aud", "sub", "client_id"].map(|name| claims[name].clone());
    assert_eq!(<(_, _, _, _)>::from(seen), expected);

    let renew = async |resource: &'static str, token: &str| {
        let form =
            [("grant_type", "refresh_token"), ("refresh_token", token), ("resource", resource)];
        post(&site, "/token", &form).await
    };
    let refresh = refresh_token(&tokens);
    assert_error(renew("https://mail.example", refresh).await, 400, "invalid_target").await;
    assert_error(exchange(&site, "https://mail.example").await, 400, "invalid_target").await;
    let anonymous = site.sign_in("bob").await;
    assert_eq!(introspect(&site, anonymous.access_token().secret()).await["aud"], Value::Null);
    // A sign-in without a resource may have tokens for any.
    let renewed: Tokens =
        renew("https://mail.example", refresh_token(&anonymous)).await.json().await.unwrap();
    let claims = introspect(&site, renewed.access_token().secret()).await;
    assert_eq!(claims["aud"], "https://mail.example");
}

#[tokio::test]
async fn introspection_is_for_clients_and_says_no_more_than_that_a_token_is_not_valid() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let token = tokens.access_token().secret();
    let anonymous = site.http.post(site.endpoint("/introspect")).form(&[("token", token)]);
    assert_error(anonymous.send().await.unwrap(), 401, "invalid_client").await;
    site.advance(crate::site::LIFETIME);
    for invalid in [token, "made up", refresh_token(&tokens)] {
        assert_eq!(introspect(&site, invalid).await, json!({ "active": false }));
    }
}

#[tokio::test]
async fn the_metadata_of_the_authorization_server_have_pkce_and_nothing_of_openid() {
    let site = Site::start().await;
    let address = site.endpoint("/.well-known/oauth-authorization-server");
    let metadata: Value = site.http.get(address).send().await.unwrap().json().await.unwrap();
    assert_eq!(metadata["issuer"], site.provider.issuer().as_str());
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["token_endpoint"], site.endpoint("/token"));
    for field in ["jwks_uri", "userinfo_endpoint", "id_token_signing_alg_values_supported"] {
        assert_eq!(metadata[field], Value::Null, "{field}");
    }
    let mut attempt = site.attempt("alice");
    attempt.url.query_pairs_mut().append_pair("resource", "https://files.example/#fragment");
    let back = returned(&site.http.get(attempt.url).send().await.unwrap());
    assert_eq!(param(&back, "error").as_deref(), Some("invalid_target"));
}

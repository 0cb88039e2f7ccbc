//! Client authentication.

use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, StatusCode};

use crate::site::{Site, assert_error, refresh_token};

fn renewal<'a>(token: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("grant_type", "refresh_token"), ("refresh_token", token)], more].concat()
}

#[tokio::test]
async fn both_ways_of_presenting_the_secret_are_accepted() {
    let site = Site::start().await;
    let basic = site.sign_in("alice").await;
    assert_eq!(site.renew(refresh_token(&basic)).await.status(), StatusCode::OK);
    let post = site.sign_in("alice").await;
    let credentials = [("client_id", "devices"), ("client_secret", "devices-secret")];
    let form = renewal(refresh_token(&post), &credentials);
    let answer = token(&site).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn a_wrong_secret_is_an_invalid_client_and_costs_nothing() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let form = renewal(refresh_token(&tokens), &[]);
    let wrong = token(&site).basic_auth("devices", Some("guess")).form(&form).send().await.unwrap();
    assert!(wrong.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic"));
    assert_error(wrong, 401, "invalid_client").await;
    for (id, secret) in [("unknown", "devices-secret"), ("devices", ""), ("public", "made-up")] {
        let request = token(&site).basic_auth(id, Some(secret)).form(&form);
        assert_error(request.send().await.unwrap(), 401, "invalid_client").await;
    }
    let nameless = token(&site).form(&form).send().await.unwrap();
    assert_error(nameless, 401, "invalid_client").await;
    let without_secret =
        token(&site).form(&renewal(refresh_token(&tokens), &[("client_id", "devices")]));
    assert_error(without_secret.send().await.unwrap(), 401, "invalid_client").await;

    let stats = site.control().stats();
    assert_eq!((stats.renewals, stats.reuse_detected), (0, 0));
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn two_methods_at_once_are_refused() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let form = renewal(refresh_token(&tokens), &[("client_secret", "devices-secret")]);
    assert_error(site.token_request(&form).await, 400, "invalid_request").await;
    let form = renewal(refresh_token(&tokens), &[("client_id", "other")]);
    assert_error(site.token_request(&form).await, 400, "invalid_request").await;
}

#[tokio::test]
async fn another_clients_refresh_token_is_refused_and_stays_good() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let form = renewal(refresh_token(&tokens), &[]);
    let others =
        token(&site).basic_auth("other", Some("other-secret")).form(&form).send().await.unwrap();
    assert_error(others, 400, "invalid_grant").await;
    assert_eq!(site.renew(refresh_token(&tokens)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_malformed_token_request_is_told_what_is_wrong() {
    let site = Site::start().await;
    let unknown = site.token_request(&[("grant_type", "password"), ("username", "alice")]).await;
    assert_error(unknown, 400, "unsupported_grant_type").await;
    assert_error(site.token_request(&[]).await, 400, "invalid_request").await;
    assert_error(
        site.token_request(&[("grant_type", "refresh_token")]).await,
        400,
        "invalid_request",
    )
    .await;
    assert_error(
        site.token_request(&[("grant_type", "authorization_code")]).await,
        400,
        "invalid_request",
    )
    .await;
    let repeated =
        [("grant_type", "refresh_token"), ("refresh_token", "a"), ("refresh_token", "b")];
    assert_error(site.token_request(&repeated).await, 400, "invalid_request").await;
    let json =
        token(&site).header(CONTENT_TYPE, "application/json").body("{}").send().await.unwrap();
    assert_error(json, 400, "invalid_request").await;
    assert_error(site.renew("never-issued").await, 400, "invalid_grant").await;
    assert_eq!(site.control().stats().token_requests, 7);
}

fn token(site: &Site) -> RequestBuilder {
    site.http.post(site.endpoint("/token"))
}

//! The gateway between a browser, a provider and an application, over real HTTP.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod site;
mod upstream;

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{ACCEPT, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use futures_util::{SinkExt as _, StreamExt as _};
use openidconnect::core::CoreIdTokenVerifier;
use openidconnect::{ClientId, ClientSecret, IssuerUrl, Nonce};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::site::{SECRET, Site};

/// A test fails rather than waits for what does not come.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_page_is_shown_after_the_sign_in_that_it_needs() {
    let site = Site::new().await;
    let program = site.stranger();
    let answer = program.get(site.url("/page")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);

    let page = program.get(site.url("/page?a=b")).header(ACCEPT, "text/html").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::SEE_OTHER);
    let login = page.headers()[LOCATION].to_str().unwrap();
    assert_eq!(login, "/_gateway/login?return_to=%2Fpage%3Fa%3Db");

    let browser = site.browser().await;
    let page = browser.get(site.url("/page?a=b")).send().await.unwrap();
    assert_eq!(page.text().await.unwrap(), "/page?a=b");
}

#[tokio::test]
async fn the_application_gets_a_token_and_the_user_but_no_cookie_of_the_gateway() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let request = browser.get(site.url("/headers"));
    let cookie = format!("{}; own=1", browser.cookies(&site.address));
    let headers = site.headers(request.header(COOKIE, cookie)).await;

    assert!(headers["authorization"].starts_with("Bearer "), "{headers:?}");
    assert_eq!(headers["x-forwarded-user"], "ann");
    assert_eq!(headers["x-forwarded-host"], site.host());
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["cookie"], "own=1");

    let key = ClientSecret::new(SECRET.to_owned());
    let verifier = CoreIdTokenVerifier::new_confidential_client(
        ClientId::new(site.upstream.clone()),
        key,
        IssuerUrl::new(site.address.clone()).unwrap(),
        Default::default(),
    );
    let verifier =
        verifier.set_allowed_algs([openidconnect::core::CoreJwsSigningAlgorithm::HmacSha256]);
    let assertion: openidconnect::core::CoreIdToken =
        headers["x-gateway-assertion"].parse().unwrap();
    let claims = assertion.claims(&verifier, |_: Option<&Nonce>| Ok(())).unwrap();
    assert_eq!(claims.subject().as_str(), "ann");
}

#[tokio::test]
async fn nobody_says_who_the_user_is_but_the_gateway() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let mut request = browser.get(site.url("/headers"));
    for name in
        ["x-forwarded-user", "X_Forwarded_User", "x-gateway-assertion", "x_gateway_assertion"]
    {
        request = request.header(name, "root");
    }
    request =
        request.header("authorization", "Bearer forged").header("x-forwarded-email", "root@x");
    let request = request.header("forwarded", "for=root").header("x-real-ip", "root");
    let request = request.header("x-auth-request-user", "root");
    let request = request.header("x-forwarded-for", "root").header("x-forwarded-proto", "root");
    let request = request.header("connection", "x-forwarded-user, authorization");
    let headers = site.headers(request).await;
    assert_eq!(headers["x-forwarded-user"], "ann");
    assert!(headers.values().all(|value| !value.contains("root") && !value.contains("forged")));
}

#[tokio::test]
async fn the_application_cannot_set_the_session_cookie() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let answer = browser.get(site.url("/set-cookies")).send().await.unwrap();
    let set: Vec<_> = answer.headers().get_all(SET_COOKIE).iter().collect();
    assert_eq!(set, ["own=1", "session_of_mine=2"]);
}

#[tokio::test]
async fn a_token_that_the_application_rejects_is_renewed_and_the_request_repeated() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let before = site.headers(browser.get(site.url("/headers"))).await;
    let answer = browser.get(site.url("/rejects-first")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let after = answer.text().await.unwrap();
    assert_ne!(before["authorization"], after);
    assert_eq!(site.provider.control().stats().renewals, 1);
}

#[tokio::test]
async fn an_application_that_is_away_signs_nobody_out() {
    let site = Site::new().await;
    let browser = site.browser().await;
    site.stop_upstream().await;
    let answer = browser.get(site.url("/page")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    site.start_upstream().await;
    let answer = browser.get(site.url("/page")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_stream_ends_with_the_session() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let stream = browser.get(site.url("/stream")).send().await.unwrap();
    let mut stream = stream.bytes_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), "tick");
    site.sign_out(&browser).await;
    let rest = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(SOON, rest).await.unwrap();
}

#[tokio::test]
async fn a_web_socket_is_passed_on_and_ends_with_the_session() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let cookie = browser.cookies(&site.address);
    let mut request = site.web_socket().into_client_request().unwrap();
    request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
    let (mut socket, _) =
        tokio_tungstenite::client_async(request, site.connect().await).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "ann: hello");
    site.sign_out(&browser).await;
    let rest = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(SOON, rest).await.unwrap();
}

#[tokio::test]
async fn a_web_socket_of_another_site_is_refused() {
    let site = Site::new().await;
    let cookie = site.browser().await.cookies(&site.address);
    for (origin, status) in [
        (format!("http://{}", site.host()), StatusCode::SWITCHING_PROTOCOLS),
        ("https://evil.example".to_owned(), StatusCode::FORBIDDEN),
        (format!("http://{}.evil.example", site.host()), StatusCode::FORBIDDEN),
        ("null".to_owned(), StatusCode::FORBIDDEN),
    ] {
        let mut request = site.web_socket().into_client_request().unwrap();
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        request.headers_mut().insert(ORIGIN, origin.parse().unwrap());
        let answer = tokio_tungstenite::client_async(request, site.connect().await).await;
        let answered = match answer {
            Ok((_, answer)) => answer.status(),
            Err(Error::Http(answer)) => answer.status(),
            Err(error) => panic!("{origin}: {error}"),
        };
        assert_eq!(answered, status, "{origin}");
    }
}

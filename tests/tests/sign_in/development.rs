//! Plain http in development: on this machine alone, and with cookies that browsers keep.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use reqwest::header::{ACCEPT, SET_COOKIE};
use session_core::ProviderName;
use session_tower::SessionLayer;
use session_tower::sign_in::{OpenIdSignIn, SignInConfigError};
use tower::ServiceExt as _;

use super::{Site, client, location};

#[tokio::test]
async fn plain_http_is_for_development_on_this_machine_alone() {
    let site = Site::new().await;
    let client = Arc::new(client(&site.idp).await);
    let with = |url: &str| {
        let okta = ProviderName::new("okta").unwrap();
        OpenIdSignIn::builder(site.manager.clone(), url).provider(okta, Arc::clone(&client))
    };
    let dev = |url: &str, listener: &str| with(url).dev(listener.parse().unwrap()).build();
    for listener in ["127.0.0.1:3000", "[::1]:3000"] {
        assert!(dev("http://localhost:3000", listener).is_ok());
    }
    let field = |built: Result<_, SignInConfigError>| built.unwrap_err().field();
    for url in ["http://app.example", "http://192.168.1.5:3000", "https://localhost:3000"] {
        assert_eq!(field(dev(url, "127.0.0.1:3000")), "public_url", "{url}");
    }
    for listener in ["0.0.0.0:3000", "[::]:3000", "192.168.1.5:3000"] {
        assert_eq!(field(dev("http://localhost:3000", listener)), "dev", "{listener}");
    }
    let error = with("http://localhost:3000").build().unwrap_err();
    assert!(error.to_string().contains("call `dev`"), "{error}");
}

#[tokio::test]
async fn c1_in_development_cookies_reach_every_browser() {
    let site = Site::new().await;
    // Safari keeps no `Secure` cookie of http://localhost, and no browser a `__Host-` one without.
    let begun = site.browser().open("/login?login_hint=ann").await;
    let signed_in = site.browser().signs_in("/login?login_hint=ann").await;
    assert_eq!(location(&signed_in), "/");
    for (response, name) in [(begun, "sign-in-"), (signed_in, "session=")] {
        let kept = response.headers().get_all(SET_COOKIE).iter();
        let kept: Vec<_> = kept.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
        assert!(kept.iter().any(|cookie| cookie.starts_with(name)), "{kept:?}");
        for cookie in kept {
            assert!(!cookie.contains("Secure") && !cookie.starts_with("__Host-"), "{cookie}");
        }
    }
}

#[tokio::test]
async fn c1_a_cookie_that_browsers_would_drop_is_explained_before_the_sign_in() {
    let site = Site::new().await;
    let okta = ProviderName::new("okta").unwrap();
    let client = Arc::new(client(&site.idp).await);
    let sign_in = OpenIdSignIn::builder(site.manager.clone(), &*site.address)
        .dev(([127, 0, 0, 1], 0).into())
        .provider(okta, client)
        .build()
        .unwrap();
    let login = |layer: SessionLayer, host: &str| {
        let request = Request::get("/login").header("host", host).header(ACCEPT, "text/html");
        let router = Router::new().route_service("/login", sign_in.login()).layer(layer);
        router.oneshot(request.body(Body::empty()).unwrap())
    };
    let text = async |response: axum::response::Response| {
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let secure = login(SessionLayer::new(site.manager.clone()), "localhost").await.unwrap();
    assert!(text(secure).await.contains("`.layer(sign_in.session_layer())`"));
    let elsewhere = login(sign_in.session_layer(), "app.example:3000").await.unwrap();
    assert!(text(elsewhere).await.contains("another name than localhost"));
    let fits = login(sign_in.session_layer(), "localhost:3000").await.unwrap();
    assert_eq!(fits.status(), StatusCode::SEE_OTHER);
}

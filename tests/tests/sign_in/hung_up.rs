//! A browser that hangs up during the callback.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use identity_provider::{Endpoint, Fault};
use session_tests::manager::until_real;
use tokio::net::TcpListener;
use tower::util::MapRequestLayer;

use super::{OnlyAnn, Site, router};

/// Stands in the extensions of a request for as long as it is served.
#[derive(Clone)]
struct Served(#[expect(dead_code, reason = "its clones are counted")] Arc<()>);

/// Serves the site under another port as well; returns its address, and what each request holds.
async fn counted(site: &Site) -> (String, Arc<()>) {
    let served = Arc::new(());
    let marker = Served(Arc::clone(&served));
    let mark = MapRequestLayer::new(move |mut request: Request<Body>| {
        request.extensions_mut().insert(marker.clone());
        request
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = router(&site.sign_in).layer(mark);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, served)
}

/// Lets a browser hang up while the provider's answer with the tokens is under way.
async fn hangs_up(site: &Site, login: &str) {
    let (address, served) = counted(site).await;
    let idle = Arc::strong_count(&served);
    let browser = site.browser();
    let callback = browser.comes_back_from(login).await.replace(&site.address, &address);
    let (held, answer) = Fault::hold_response();
    site.idp.control().push_fault_at(Endpoint::Token, held);
    let request = tokio::spawn(async move { browser.open(&callback).await });
    answer.reached().await;
    assert!(Arc::strong_count(&served) > idle);
    request.abort();
    until_real("no one waits any more", async || Arc::strong_count(&served) == idle).await;
    answer.release();
}

#[tokio::test]
async fn f36_a_browser_that_hangs_up_leaves_neither_a_session_nor_a_refresh_token() {
    let site = Site::new().await;
    hangs_up(&site, "/login?login_hint=ann").await;
    until_real("its tokens are revoked", async || site.idp.control().families().is_empty()).await;
    assert_eq!(site.sessions("ann").await, 0);
}

#[tokio::test]
async fn f36_a_refused_user_who_hangs_up_leaves_no_refresh_token() {
    let site = Site::with(|sign_in| sign_in.users(OnlyAnn)).await;
    hangs_up(&site, "/login?login_hint=bob").await;
    until_real("its tokens are given back", async || site.idp.control().families().is_empty())
        .await;
}

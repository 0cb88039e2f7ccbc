//! A session whose tokens a node cannot read.

use std::sync::Arc;

use reqwest::StatusCode;
use reqwest::header::ACCEPT;
use session_core::testing::sample;
use session_core::{ProviderName, SessionManager};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;

use super::{Browser, Site, location, router};

impl Site {
    /// Starts a node that has another key, which it does not notice without sessions, and returns its
    /// address.
    async fn node_without_the_key(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listens = listener.local_addr().unwrap();
        let manager = SessionManager::builder(self.store.clone())
            .keyring(sample::keyring_of(&["other"]))
            .provider("okta", Arc::clone(&self.client))
            .start()
            .await
            .unwrap();
        let address = format!("http://{listens}");
        let okta = ProviderName::new("okta").unwrap();
        let sign_in = OpenIdSignIn::builder(manager, &*address).dev(listens);
        let sign_in = sign_in.provider(okta, Arc::clone(&self.client)).build().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(&sign_in)).await.unwrap() });
        address
    }
}

#[tokio::test]
async fn f41_a_session_that_cannot_be_read_is_signed_out_all_the_same() {
    let site = Site::new().await;
    let node = site.node_without_the_key().await;
    let browser = site.browser();
    browser.signs_in("/login?login_hint=ann").await;
    // Cookies have no port.
    let there = Browser { http: browser.http.clone(), address: node };
    assert_eq!(there.open("/me").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let logout = there.http.post(format!("{}/logout", there.address)).header(ACCEPT, "text/html");
    assert_eq!(location(&logout.send().await.unwrap()), "/");
    assert_eq!(site.sessions("ann").await, 0, "signed out, not only told so");
    assert_eq!(site.manager.revocation_backlog().await.unwrap().count, 1);
}

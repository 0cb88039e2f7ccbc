//! Two users of the application, their browsers, and the accounts that they connect.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::sync::Arc;

use axum::http::StatusCode;
use axum_login_example::{App, Users, known_user};
use identity_provider::{Client, IdentityProvider, RunningProvider};
use reqwest::header::{ACCEPT, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager, UserId};
use session_tower::outgoing::OutgoingClient;
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;

/// The application that runs, and its provider.
struct Site {
    address: String,
    accounts: RunningProvider,
    sessions: SessionManager,
}

impl Site {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::new("app").secret("app-secret");
        let client = client.redirect_uri(format!("{address}/callback"));
        let accounts = IdentityProvider::builder().client(client).auto_login(true).build().unwrap();
        let accounts = accounts.spawn(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
        let issuer = accounts.issuer().as_str().trim_end_matches('/');
        let http = || DefaultHttpClient::new().unwrap();
        let provider = OpenIdProvider::builder(issuer, "app", http())
            .with_client_secret("app-secret".to_owned().into())
            .dangerous_insecure_loopback();
        let provider = Arc::new(provider.build().unwrap());
        let sessions = SessionManager::builder(MemoryStore::new())
            .keyring(Keyring::parse(&Keyring::generate_entry("test").unwrap()).unwrap())
            .provider("accounts", Arc::clone(&provider))
            .start()
            .await
            .unwrap();
        let sign_in = OpenIdSignIn::builder(sessions.clone(), &address)
            .dev(listener.local_addr().unwrap())
            .provider(ProviderName::new("accounts").unwrap(), provider)
            .login_path("/connect")
            .known_user(known_user)
            .keep_signed_in_at_provider()
            .build()
            .unwrap();
        let calendar = OutgoingClient::new(sessions.clone(), http(), issuer).unwrap();
        let users = Users::new([("ann", "ann's"), ("bob", "bob's")]);
        let app = App { users, sessions: sessions.clone(), sign_in, calendar };
        tokio::spawn(async move { axum::serve(listener, app.router()).await.unwrap() });
        Self { address, accounts, sessions }
    }

    fn browser(&self) -> Browser {
        let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none());
        Browser { http: http.no_proxy().build().unwrap(), address: self.address.clone() }
    }

    async fn sessions_of(&self, user: &str) -> usize {
        self.sessions.list(&UserId::new(user).unwrap(), None).await.unwrap().len()
    }
}

/// A browser with its own cookies, which follows no redirect by itself.
struct Browser {
    http: reqwest::Client,
    address: String,
}

impl Browser {
    async fn open(&self, to: &str) -> Response {
        let url = Url::parse(&self.address).unwrap().join(to).unwrap();
        self.http.get(url).header(ACCEPT, "text/html").send().await.unwrap()
    }

    async fn sign_in(&self, name: &str, password: &str) -> String {
        let form = self.http.post(format!("{}/sign-in", self.address));
        let form = form.form(&[("name", name), ("password", password)]);
        location(&form.send().await.unwrap())
    }

    async fn sign_out(&self) -> String {
        let form = self.http.post(format!("{}/sign-out", self.address)).header(ACCEPT, "text/html");
        location(&form.send().await.unwrap())
    }

    /// Begins to connect an account, and returns the address that the provider answers with.
    async fn begin_to_connect(&self, account: &str) -> String {
        let begun = self.open(&format!("/connect?login_hint={account}&return_to=/calendar")).await;
        location(&self.open(&location(&begun)).await)
    }

    async fn connect(&self, account: &str) {
        let callback = self.begin_to_connect(account).await;
        assert_eq!(location(&self.open(&callback).await), "/calendar");
    }

    /// Returns whose calendar this browser shows; `None` if it is sent to connect an account.
    async fn calendar(&self) -> Option<String> {
        let response = self.open("/calendar").await;
        if response.status().is_redirection() {
            assert_eq!(location(&response), "/connect?return_to=%2Fcalendar");
            return None;
        }
        assert_eq!(response.status(), StatusCode::OK);
        let text = response.text().await.unwrap();
        Some(text.split_once(r#""sub":""#).unwrap().1.split_once('"').unwrap().0.to_owned())
    }
}

fn location(response: &Response) -> String {
    assert!(response.status().is_redirection(), "{response:?}");
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_is_that_of_the_applications_user() {
    let site = Site::new().await;
    let browser = site.browser();
    assert_eq!(browser.sign_in("ann", "bob's").await, "/sign-in", "a wrong password");
    assert_eq!(location(&browser.open("/calendar").await), "/sign-in?next=%2Fcalendar");
    assert_eq!(browser.sign_in("ann", "ann's").await, "/");
    assert_eq!(browser.calendar().await, None);
    browser.connect("ann.at.work").await;
    assert_eq!(browser.calendar().await.as_deref(), Some("ann.at.work"));
    assert_eq!((site.sessions_of("ann").await, site.sessions_of("ann.at.work").await), (1, 0));
    assert!(browser.open("/devices").await.text().await.unwrap().contains("this device"));
}

#[tokio::test]
async fn two_users_of_one_browser_never_see_each_others_session() {
    let site = Site::new().await;
    let browser = site.browser();
    browser.sign_in("ann", "ann's").await;
    browser.connect("ann.at.work").await;
    // Bob signs in where Ann has not signed out: the browser sends her session's cookie still.
    browser.sign_in("bob", "bob's").await;
    assert_eq!(browser.calendar().await, None);
    assert_eq!(location(&browser.open("/devices").await), "/connect?return_to=%2Fdevices");
    // She comes back first, to the session that she left.
    browser.sign_in("ann", "ann's").await;
    assert_eq!(browser.calendar().await.as_deref(), Some("ann.at.work"));
    // Bob connects an account in her place, and she gets none of it.
    browser.sign_in("bob", "bob's").await;
    browser.connect("bob.at.work").await;
    assert_eq!(browser.calendar().await.as_deref(), Some("bob.at.work"));
    assert_eq!((site.sessions_of("ann").await, site.sessions_of("bob").await), (0, 1));
    browser.sign_in("ann", "ann's").await;
    assert_eq!(browser.calendar().await, None);
}

#[tokio::test]
async fn the_applications_sign_out_ends_the_session_of_this_browser_alone() {
    let site = Site::new().await;
    let (laptop, phone) = (site.browser(), site.browser());
    for browser in [&laptop, &phone] {
        browser.sign_in("ann", "ann's").await;
        browser.connect("ann.at.work").await;
    }
    assert_eq!(laptop.sign_out().await, "/");
    assert_eq!(site.sessions_of("ann").await, 1);
    laptop.sign_in("ann", "ann's").await;
    assert_eq!(laptop.calendar().await, None);
    assert_eq!(phone.calendar().await.as_deref(), Some("ann.at.work"));
}

#[tokio::test]
async fn an_account_is_connected_for_the_user_who_began_or_for_nobody() {
    let site = Site::new().await;
    let browser = site.browser();
    let refused = browser.open("/connect").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let page = refused.text().await.unwrap();
    assert!(page.contains("Please sign in to it first") && page.contains("SameSite=Strict"));

    browser.sign_in("ann", "ann's").await;
    let (first, second) =
        (browser.begin_to_connect("ann.at.work").await, browser.begin_to_connect("other").await);
    browser.sign_out().await;
    assert_eq!(browser.open(&first).await.status(), StatusCode::UNAUTHORIZED);
    browser.sign_in("bob", "bob's").await;
    let refused = browser.open(&second).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert!(refused.text().await.unwrap().contains("was not started in this browser"));
    assert_eq!((site.sessions_of("ann").await, site.sessions_of("bob").await), (0, 0));
    assert!(site.accounts.control().families().is_empty(), "no code was exchanged");
}

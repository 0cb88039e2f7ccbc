//! Browsers that sign in at both providers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::sync::Arc;

use axum::http::StatusCode;
use identity_provider::{Client, IdentityProvider, RunningProvider, User};
use reqwest::header::{ACCEPT, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;
use two_providers::{Accounts, router};

/// The application that runs, and its two providers.
struct Site {
    address: String,
    _providers: [RunningProvider; 2],
}

impl Site {
    /// These providers are trusted to verify addresses.
    async fn trusting(trusted: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let name = |name: &str| ProviderName::new(name).unwrap();
        let (at_okta, okta) = provider(&address).await;
        let (at_apple, apple) = provider(&address).await;
        let sessions = SessionManager::builder(MemoryStore::new())
            .keyring(Keyring::parse(&Keyring::generate_entry("test").unwrap()).unwrap())
            .provider("okta", Arc::clone(&okta))
            .provider("apple", Arc::clone(&apple))
            .start()
            .await
            .unwrap();
        let sign_in = OpenIdSignIn::builder(sessions.clone(), &address)
            .dev(listener.local_addr().unwrap())
            .provider(name("okta"), okta)
            .provider(name("apple"), apple)
            .form_post(name("apple"))
            .users(Accounts::trusting(trusted.iter().map(|trusted| name(trusted))))
            .login_path("/choose")
            .build()
            .unwrap();
        let app = router(sessions, &sign_in);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, _providers: [at_okta, at_apple] }
    }

    /// Signs in at a provider in a new browser, and returns what the home page says.
    async fn signs_in(&self, provider: &str, account: &str) -> String {
        self.browser().signs_in(provider, account).await
    }

    fn browser(&self) -> Browser {
        let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none());
        Browser { http: http.no_proxy().build().unwrap(), address: self.address.clone() }
    }
}

/// A provider with a person of two names, and one who has typed another's address.
async fn provider(address: &str) -> (RunningProvider, Arc<OpenIdProvider>) {
    let client = Client::new("app").secret("app-secret");
    let provider = IdentityProvider::builder()
        .client(client.redirect_uri(format!("{address}/callback")))
        .user(User::new("ann.okta").email("Ann@example.test"))
        .user(User::new("ann.apple").email("ann@example.test"))
        .user(User::new("bert").email("ann@example.test"))
        .user(User::new("eve").unverified_email("ann@example.test"))
        .auto_login(true)
        .build()
        .unwrap();
    let running = provider.spawn(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
    let http = DefaultHttpClient::new().unwrap();
    let client = OpenIdProvider::builder(running.issuer().as_str(), "app", http)
        .with_client_secret("app-secret".to_owned().into())
        .dangerous_insecure_loopback();
    let client = Arc::new(client.build().unwrap());
    (running, client)
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

    async fn signs_in(&self, provider: &str, account: &str) -> String {
        let login = format!("/login?provider={provider}&return_to=/&login_hint={account}");
        let answer = self.open(&location(&self.open(&login).await)).await;
        let callback = match answer.status() {
            StatusCode::OK => self.sends_form(&answer.text().await.unwrap()).await,
            _ => location(&answer),
        };
        assert_eq!(location(&self.open(&callback).await), "/");
        self.open("/").await.text().await.unwrap()
    }

    /// Sends the provider's form as a browser does: a page of another site gets no cookies along.
    async fn sends_form(&self, page: &str) -> String {
        let field = |input: &str| {
            let (name, rest) = input.split_once('"').unwrap();
            let value = rest.split_once("value=\"").unwrap().1.split_once('"').unwrap().0;
            (name.to_owned(), value.replace("&#38;", "&"))
        };
        let fields: Vec<_> = page.split("type=\"hidden\" name=\"").skip(1).map(field).collect();
        assert!(page.contains(&format!("action=\"{}/callback\"", self.address)), "{page}");
        let other_site = reqwest::Client::builder().redirect(Policy::none()).no_proxy();
        let form = other_site.build().unwrap().post(format!("{}/callback", self.address));
        let form = form.header("sec-fetch-site", "cross-site").form(&fields);
        location(&form.send().await.unwrap())
    }
}

fn location(response: &Response) -> String {
    assert!(response.status().is_redirection(), "{response:?}");
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_person_at_two_providers_is_one_user() {
    let site = Site::trusting(&["okta", "apple"]).await;
    assert_eq!(site.signs_in("okta", "ann.okta").await, "user-1 at okta");
    assert_eq!(site.signs_in("apple", "ann.apple").await, "user-1 at apple");
    assert_eq!(site.signs_in("apple", "bob").await, "user-3 at apple");
    assert_eq!(site.signs_in("okta", "ann.okta").await, "user-1 at okta", "as before");
}

/// Bert has got the address that was Ann's, at the provider where she has her account.
#[tokio::test]
async fn an_address_that_another_person_has_now_opens_no_account() {
    let site = Site::trusting(&["okta", "apple"]).await;
    assert_eq!(site.signs_in("okta", "ann.okta").await, "user-1 at okta");
    assert_eq!(site.signs_in("okta", "bert").await, "user-2 at okta");
    assert_eq!(site.signs_in("apple", "bert").await, "user-2 at apple", "it is Bert's now");
    assert_eq!(site.signs_in("okta", "ann.okta").await, "user-1 at okta");
}

#[tokio::test]
async fn an_address_that_is_not_verified_opens_no_account() {
    let site = Site::trusting(&["okta", "apple"]).await;
    assert_eq!(site.signs_in("okta", "ann.okta").await, "user-1 at okta");
    assert_eq!(site.signs_in("apple", "eve").await, "user-2 at apple");
}

#[tokio::test]
async fn a_provider_that_is_not_trusted_with_addresses_opens_no_account() {
    let site = Site::trusting(&["okta"]).await;
    assert_eq!(site.signs_in("okta", "ann.okta").await, "user-1 at okta");
    assert_eq!(site.signs_in("apple", "ann.apple").await, "user-2 at apple");
}

#[tokio::test]
async fn one_subject_at_two_providers_is_two_users() {
    let site = Site::trusting(&[]).await;
    assert_eq!(site.signs_in("okta", "bob").await, "user-1 at okta");
    assert_eq!(site.signs_in("apple", "bob").await, "user-2 at apple");
    assert_eq!(site.signs_in("okta", "bob").await, "user-1 at okta");
}

#[tokio::test]
async fn a_page_without_a_session_leads_to_the_choice_and_back() {
    let site = Site::trusting(&["okta", "apple"]).await;
    let browser = site.browser();
    let choice = location(&browser.open("/devices?sort=%22name").await);
    assert!(choice.starts_with("/choose?return_to="), "{choice}");
    let page = browser.open(&choice).await.text().await.unwrap();
    assert!(page.contains("name=\"return_to\" value=\"/devices?sort="), "{page}");
    assert!(page.contains("value=okta") && page.contains("value=apple"));
    let asked = "max_age=60&return_to=https%3A%2F%2Fevil.example&%22%3E%3Cscript%3E=1";
    let page = browser.open(&format!("/choose?{asked}")).await.text().await.unwrap();
    assert!(page.contains("name=\"max_age\" value=\"60\"") && !page.contains("evil"), "{page}");
    assert!(!page.contains("<script>"), "{page}");
    let told = location(&browser.open("/choose?reason=evicted&return_to=%2Fa").await);
    assert_eq!(told, "/login?reason=evicted&return_to=%2Fa");
    let told = browser.open(&told).await.text().await.unwrap();
    assert!(told.contains("href=\"/choose?return_to=%2Fa\""), "{told}");
}

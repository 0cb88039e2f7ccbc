//! The ready-made sign-in of session-tower: an axum application, a provider over HTTP, and browsers
//! with their own cookies.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod browsers;
mod chromium;
mod development;
mod full_cap;
mod hung_up;
mod known_user;
mod told;
mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use identity_provider::{Endpoint, Fault, RunningProvider, ScriptedResponse};
use reqwest::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use session_core::manager::SignIn;
use session_core::policy::OnFull;
use session_core::provider::RevocationScope;
use session_core::provider::openid::{OpenIdProvider, SignInOutcome};
use session_core::store::memory::MemoryStore;
use session_core::{ProviderName, SessionManager, SessionPolicy, TokenResponse, UserId};
use session_tests::identity::provider;
use session_tests::manager::keyring;
use session_tower::CurrentSession;
use session_tower::sign_in::{OpenIdSignIn, RefusedUser, SignInBuilder, UserOfSignIn};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// An application that runs, and its provider.
struct Site {
    address: String,
    idp: RunningProvider,
    store: MemoryStore,
    manager: SessionManager,
    client: Arc<OpenIdProvider>,
    sign_in: OpenIdSignIn,
}

impl Site {
    async fn new() -> Self {
        Self::with(|sign_in| sign_in).await
    }

    async fn with(change: impl FnOnce(SignInBuilder) -> SignInBuilder) -> Self {
        Self::named("127.0.0.1", 10, change).await
    }

    /// A site of this host name, where a user may have this number of devices.
    async fn named(
        host: &str,
        max_sessions: u32,
        change: impl FnOnce(SignInBuilder) -> SignInBuilder,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listens = listener.local_addr().unwrap();
        let address = format!("http://{host}:{}", listens.port());
        let idp = provider(&address).await;
        let okta = ProviderName::new("okta").unwrap();
        let client = Arc::new(client(&idp).await);
        let policy = SessionPolicy::builder().max_sessions(max_sessions).on_full(OnFull::Reject);
        let store = MemoryStore::new();
        let manager = SessionManager::builder(store.clone())
            .policy(policy.build().unwrap())
            .keyring(keyring())
            .provider("okta", Arc::clone(&client))
            .provider("github", Arc::clone(&client))
            .start()
            .await
            .unwrap();
        let sign_in = OpenIdSignIn::builder(manager.clone(), &*address);
        let sign_in = sign_in.dev(listens).provider(okta, Arc::clone(&client));
        let sign_in = change(sign_in).build().unwrap();
        let router = router(&sign_in);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, idp, store, manager, client, sign_in }
    }

    fn browser(&self) -> Browser {
        let http = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0")
            .build()
            .unwrap();
        Browser { http, address: self.address.clone() }
    }

    async fn sessions(&self, user: &str) -> usize {
        self.manager.list(&UserId::new(user).unwrap(), None).await.unwrap().len()
    }
}

fn router(sign_in: &OpenIdSignIn) -> Router {
    Router::new()
        .route_service("/login", sign_in.login())
        .route_service("/callback", sign_in.callback())
        .route_service("/logout", sign_in.logout())
        .route("/me", get(|session: CurrentSession| async move { session.user().to_string() }))
        .route(
            "/name",
            get(|session: CurrentSession| async move {
                format!("{:?}", session.data().get("preferred_username"))
            }),
        )
        .layer(sign_in.session_layer())
        .route_service("/unlayered", sign_in.callback())
}

async fn client(idp: &RunningProvider) -> OpenIdProvider {
    let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    OpenIdProvider::builder(idp.issuer().as_str(), "app", http)
        .dangerous_insecure_loopback()
        .with_client_secret("app-secret".to_owned().into())
        .with_revocation_scope(RevocationScope::Token)
        .build()
        .unwrap()
}

/// A browser with its own cookies, which follows no redirect by itself.
#[derive(Clone)]
struct Browser {
    http: reqwest::Client,
    address: String,
}

impl Browser {
    /// Opens a path of the site, or an address.
    async fn open(&self, to: &str) -> Response {
        let url = Url::parse(&self.address).unwrap().join(to).unwrap();
        self.http.get(url).header(ACCEPT, "text/html").send().await.unwrap()
    }

    /// Begins a sign-in, and returns the address of the callback that the provider sends it to.
    async fn comes_back_from(&self, login: &str) -> String {
        let at_provider = location(&self.open(login).await);
        location(&self.open(&at_provider).await)
    }

    async fn signs_in(&self, login: &str) -> Response {
        let callback = self.comes_back_from(login).await;
        self.open(&callback).await
    }

    async fn user(&self) -> Option<String> {
        let response = self.open("/me").await;
        if response.status() == StatusCode::SEE_OTHER {
            let login = location(&response);
            assert!(login.starts_with("/login?"), "a page leads to the sign-in: {login}");
            return None;
        }
        Some(response.error_for_status().unwrap().text().await.unwrap())
    }
}

fn location(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{response:?}");
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

async fn is_refused(response: Response, status: StatusCode, text: &str) {
    assert_eq!(response.status(), status);
    let page = response.text().await.unwrap();
    assert!(page.contains(text), "{page}");
}

#[tokio::test]
async fn a_user_signs_in_returns_to_the_page_and_signs_out_at_the_provider_too() {
    let site = Site::new().await;
    let browser = site.browser();
    assert_eq!(browser.user().await, None);
    let login = "/login?login_hint=ann&return_to=%2Fdevices%3Fsort%3Dname";
    let signed_in = browser.signs_in(login).await;
    assert_eq!(location(&signed_in), "/devices?sort=name");
    let user = browser.user().await.unwrap();
    let sessions = site.manager.list(&UserId::new(&*user).unwrap(), None).await.unwrap();
    assert_eq!(sessions[0].session.device.to_string(), "Firefox on Linux");

    let logout = browser.http.post(format!("{}/logout", site.address)).header(ACCEPT, "text/html");
    let at_provider = location(&logout.send().await.unwrap());
    assert!(
        at_provider.starts_with(site.idp.issuer().as_str())
            && at_provider.contains("id_token_hint=")
    );
    let home = location_after(&browser, &at_provider).await;
    assert_eq!(home, format!("{}/", site.address));
    assert_eq!(browser.user().await, None);
    assert_eq!(site.sessions(&user).await, 0);
}

/// The provider's logout may answer with any redirect.
async fn location_after(browser: &Browser, address: &str) -> String {
    let response = browser.open(address).await;
    assert!(response.status().is_redirection(), "{response:?}");
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn return_to_never_leaves_the_site() {
    let site = Site::new().await;
    for elsewhere in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "///evil.example",
        "/%09/evil.example\n",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "@evil.example",
        ".evil.example",
        "http:evil.example",
        "https:/evil.example",
        " //evil.example",
        "\u{0}//evil.example",
        "/\u{2215}evil.example",
        "/#//evil.example",
        "",
    ] {
        let browser = site.browser();
        let mut login = Url::parse(&site.address).unwrap().join("/login").unwrap();
        login
            .query_pairs_mut()
            .append_pair("login_hint", "ann")
            .append_pair("return_to", elsewhere);
        let signed_in = browser.signs_in(login.as_str()).await;
        let user = browser.user().await.unwrap();
        assert_eq!(location(&signed_in), "/", "{elsewhere:?}");
        site.manager
            .end_all(&UserId::new(&*user).unwrap(), None, session_core::EndReason::RevokedByAdmin)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_said_and_ends_nothing() {
    let site = Site::new().await;
    let browser = site.browser();
    browser.signs_in("/login?login_hint=ann").await;
    let user = browser.user().await.unwrap();
    let callback = browser.comes_back_from("/login?login_hint=ann").await;
    let away = Fault::respond(ScriptedResponse::new(StatusCode::SERVICE_UNAVAILABLE));
    site.idp.control().push_fault_at(Endpoint::Token, away);
    let response = browser.open(&callback).await;
    assert!(response.headers().contains_key("retry-after"));
    is_refused(response, StatusCode::SERVICE_UNAVAILABLE, "right now").await;
    assert_eq!(browser.user().await, Some(user));
}

/// Refuses everybody but Ann, and says why.
struct OnlyAnn;

#[async_trait]
impl UserOfSignIn for OnlyAnn {
    async fn user(
        &self,
        provider: &ProviderName,
        outcome: &SignInOutcome,
    ) -> Result<UserId, RefusedUser> {
        assert_eq!(provider.as_str(), "okta");
        match outcome.claims.preferred_username.as_deref() {
            Some("ann") => Ok(UserId::new("staff-1").unwrap()),
            _ => Err(RefusedUser::because("Only <Ann> may.")),
        }
    }
}

#[tokio::test]
async fn the_application_names_the_user_or_refuses() {
    let site = Site::with(|sign_in| sign_in.users(OnlyAnn).home("/welcome")).await;
    let (ann, bob) = (site.browser(), site.browser());
    assert_eq!(location(&ann.signs_in("/login?login_hint=ann").await), "/welcome");
    assert_eq!(ann.user().await.as_deref(), Some("staff-1"));
    let refused = bob.signs_in("/login?login_hint=bob").await;
    is_refused(refused, StatusCode::FORBIDDEN, "Only &lt;Ann&gt; may.").await;
    assert_eq!(bob.user().await, None);
    let families = site.idp.control().families();
    assert_eq!(families.len(), 1, "the tokens of the one who was refused are given back");
    assert_eq!(families[0].subject, "ann");
}

#[tokio::test]
async fn programs_get_problem_documents_and_wrong_methods_are_refused() {
    let site = Site::new().await;
    let http = site.browser().http;
    let asked = http.get(format!("{}/login?provider=other", site.address)).send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::NOT_FOUND);
    assert_eq!(asked.headers()["content-type"], "application/problem+json");
    let problem: serde_json::Value = asked.json().await.unwrap();
    assert_eq!(problem["error"], "unknown_provider");
    // A link on another page must not sign the user out.
    let linked = http.get(format!("{}/logout", site.address)).send().await.unwrap();
    assert_eq!(
        (linked.status().as_u16(), &linked.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    let anonymous = http.post(format!("{}/logout", site.address)).send().await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::NO_CONTENT);
    let unlayered = http.get(format!("{}/unlayered?state=x", site.address)).send().await.unwrap();
    assert_eq!(unlayered.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn f41_a_sign_out_does_not_wait_for_a_provider_that_hangs() {
    let site = Site::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = OpenIdProvider::builder(&*issuer, "app", http).dangerous_insecure_loopback();
    let okta = ProviderName::new("okta").unwrap();
    let sign_in = OpenIdSignIn::builder(site.manager.clone(), &*site.address)
        .dev(([127, 0, 0, 1], 0).into())
        .provider(okta.clone(), Arc::new(client.build().unwrap()))
        .build()
        .unwrap();
    let user = UserId::new("ann").unwrap();
    let login = SignIn::new(&user, &okta, TokenResponse::bearer("at"));
    let secret = site.manager.sign_in(login).await.unwrap().secret;
    let request = Request::post("/logout")
        .header(COOKIE, format!("session={}", secret.expose()))
        .header(ACCEPT, "text/html")
        .body(Body::empty())
        .unwrap();
    // Far below the timeout of a call to the provider.
    let answer = router(&sign_in).oneshot(request);
    let answer = tokio::time::timeout(Duration::from_secs(8), answer).await.unwrap().unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[LOCATION]),
        (303, &"/".parse().unwrap())
    );
    assert_eq!(site.sessions("ann").await, 0);
}

#[tokio::test]
async fn the_record_of_a_sign_in_is_sealed_and_short() {
    let site = Site::new().await;
    let response = site.browser().open("/login?login_hint=ann").await;
    let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
    let [cookie] = cookies[..] else { panic!("{cookies:?}") };
    let cookie = cookie.to_str().unwrap();
    assert!(cookie.len() < 900, "{} bytes", cookie.len());
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let at_provider = Url::parse(&location(&response)).unwrap();
    let nonce = at_provider.query_pairs().find(|(name, _)| name == "nonce").unwrap().1;
    assert!(!cookie.contains(&*nonce));
}

#[tokio::test]
async fn what_cannot_work_is_refused_when_it_is_built() {
    let site = Site::new().await;
    let client = Arc::new(client(&site.idp).await);
    let builder = |url: &str| OpenIdSignIn::builder(site.manager.clone(), url);
    let okta = || ProviderName::new("okta").unwrap();
    let field = |builder: SignInBuilder| builder.build().unwrap_err().field();
    let with = |url: &str| builder(url).provider(okta(), Arc::clone(&client));
    assert_eq!(field(builder("https://app.example")), "provider");
    let misspelt = ProviderName::new("otka").unwrap();
    let misspelt = builder("https://app.example").provider(misspelt, Arc::clone(&client));
    let error = misspelt.build().unwrap_err();
    assert!(error.to_string().contains("add `.provider(\"otka\", ..)` to"), "{error}");
    assert_eq!(field(with("https://app.example").callback_path("callback")), "callback_path");
    assert_eq!(field(with("https://app.example").home("//evil.example")), "home");
    let github = ProviderName::new("github").unwrap();
    let two = || with("https://app.example").provider(github.clone(), Arc::clone(&client));
    assert_eq!(field(two()), "users", "two providers may give one subject to two people");
    assert!(two().users(OnlyAnn).build().is_ok());
}

#[tokio::test]
async fn r9_a_form_of_the_provider_completes_the_sign_in_of_its_browser_alone() {
    let okta = || ProviderName::new("okta").unwrap();
    let site = Site::with(|sign_in| sign_in.form_post(okta())).await;
    let browser = site.browser();
    // This provider answers with a query alone, which is taken for the fields of its form.
    let answer = async || {
        let at_provider = location(&browser.open("/login?login_hint=ann").await);
        assert!(at_provider.contains("response_mode=form_post"), "{at_provider}");
        let at_provider = at_provider.replace("form_post", "query");
        Url::parse(&location(&browser.open(&at_provider).await)).unwrap()
    };
    assert_eq!(location(&browser.open(answer().await.as_str()).await), "/");
    let answer = answer().await;
    // A form of another site comes without the cookies that are `SameSite=Lax`.
    let without_cookies = site.browser().http.post(format!("{}/callback", site.address));
    let form: Vec<_> = answer.query_pairs().chain([("user".into(), "{}".into())]).collect();
    let callback = location(&without_cookies.form(&form).send().await.unwrap());
    assert!(callback.starts_with("/callback?") && !callback.contains("user"), "{callback}");
    let thief = site.browser().open(&callback).await;
    is_refused(thief, StatusCode::BAD_REQUEST, "not started").await;
    assert_eq!(location(&browser.open(&callback).await), "/");
    let user = browser.user().await.unwrap();
    assert_eq!(site.sessions(&user).await, 1, "the session of before is superseded");
    let field = |name: &str| {
        let okta = (okta(), Arc::clone(&site.client));
        let builder = OpenIdSignIn::builder(site.manager.clone(), "https://app.example");
        let builder = builder.provider(okta.0, okta.1).form_post(ProviderName::new(name).unwrap());
        builder.build().err().map(|error| error.field())
    };
    assert_eq!((field("okta"), field("github")), (None, Some("form_post")));
    let query_only = Site::new().await;
    let refused = query_only.browser().http.post(format!("{}/callback", query_only.address));
    assert_eq!(refused.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
}

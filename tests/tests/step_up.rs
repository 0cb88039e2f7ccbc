//! Step-up over HTTP: an axum application whose page needs a recent or strong sign-in, a provider, and
//! browsers with their own cookies (RFC 9470).
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use identity_provider::{Client, IdentityProvider, RunningProvider};
use reqwest::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use session_core::clock::Clock as _;
use session_core::event::EventKind;
use session_core::policy::OnFull;
use session_core::policy::authentication::RequiredAuthentication;
use session_core::provider::RevocationScope;
use session_core::provider::openid::OpenIdProvider;
use session_core::store::memory::MemoryStore;
use session_core::store::{EventLog as _, SessionLookup as _};
use session_core::testing::FakeClock;
use session_core::{ProviderName, Session, SessionManager, SessionPolicy, UserId};
use session_tests::identity::signing_key;
use session_tests::manager::keyring;
use session_tower::sign_in::OpenIdSignIn;
use session_tower::{
    CurrentSession, FreshSession, RedirectToLogin, Rejection, RequireAuthenticationLayer,
    SessionCookie, SessionLayer,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

const MINUTE: Duration = Duration::from_secs(60);

struct Site {
    address: String,
    idp: RunningProvider,
    manager: SessionManager,
    store: MemoryStore,
    clock: FakeClock,
}

impl Site {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (clock, store) = (FakeClock::new(), MemoryStore::new());
        let idp = idp(&address, &clock).await;
        let okta = ProviderName::new("okta").unwrap();
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        let client = OpenIdProvider::builder(idp.issuer().as_str(), "app", http)
            .dangerous_insecure_loopback()
            .with_client_secret("app-secret".to_owned().into())
            .with_revocation_scope(RevocationScope::Token)
            .with_clock(Arc::new(clock.clone()));
        let client = Arc::new(client.build().unwrap());
        let policy =
            SessionPolicy::builder().max_sessions(2).on_full(OnFull::Reject).build().unwrap();
        let manager = SessionManager::builder(store.clone())
            .policy(policy)
            .keyring(keyring())
            .clock(clock.clone())
            .provider("okta", Arc::clone(&client))
            .start()
            .await
            .unwrap();
        let sign_in = OpenIdSignIn::builder(manager.clone(), &*address)
            .dev(listener.local_addr().unwrap())
            .provider(okta, client)
            .scope("profile offline_access")
            .optional_scope("email phone")
            .param("acr_values", "silver");
        let router = router(&sign_in.build().unwrap(), &manager);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, idp, manager, store, clock }
    }

    fn browser(&self) -> Browser {
        let http = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Browser { http, address: self.address.clone() }
    }

    /// A browser that has signed in some minutes ago.
    async fn signed_in(&self) -> Browser {
        let browser = self.browser();
        browser.passes_through("/login?login_hint=ann").await;
        self.clock.advance(MINUTE * 10);
        browser
    }

    async fn sessions(&self) -> Vec<Session> {
        let listed = self.manager.list(&UserId::new("ann").unwrap(), None).await.unwrap();
        listed.into_iter().map(|listed| listed.session).collect()
    }

    /// The scope of the only session's tokens.
    async fn scope(&self) -> String {
        let session = self.only_session().await;
        let tokens = self.manager.access_token(&session.user, session.id).await.unwrap();
        tokens.scope().unwrap().to_owned()
    }

    async fn only_session(&self) -> Session {
        let sessions = self.sessions().await;
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        self.store.find(sessions[0].id).await.unwrap().unwrap().session
    }
}

async fn idp(address: &str, clock: &FakeClock) -> RunningProvider {
    let app = Client::new("app").secret("app-secret").redirect_uri(format!("{address}/callback"));
    let clock = clock.clone();
    let builder = IdentityProvider::builder()
        .key(signing_key())
        .client(app)
        .auto_login(true)
        .access_token_lifetime(MINUTE * 60)
        .clock(move || clock.now().as_millis());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    builder.build().unwrap().spawn(listener).unwrap()
}

fn fresh() -> RequiredAuthentication {
    RequiredAuthentication::within(MINUTE * 5)
}

fn strong() -> RequiredAuthentication {
    RequiredAuthentication::none().with_acr("urn:example:\"gold\"").unwrap().with_acr("x").unwrap()
}

fn router(sign_in: &OpenIdSignIn, manager: &SessionManager) -> Router {
    // Plain http: browsers keep no `__Host-` cookie.
    let cookie = SessionCookie::builder().name("session").dangerous_insecure().build().unwrap();
    let needs = |required| RequireAuthenticationLayer::new(manager.clone(), required);
    let of_handler = manager.clone();
    let in_handler = async move |current: CurrentSession| {
        current.require(&of_handler, &fresh())?;
        Ok::<_, Rejection>("deleted")
    };
    let login = RedirectToLogin::to("/login").unwrap();
    let layer = SessionLayer::new(manager.clone()).with_cookie(cookie);
    Router::new()
        .route("/password", get(|| async { "the form" }).layer(needs(fresh())))
        .route("/vault", get(|| async { "the vault" }).layer(needs(strong())))
        .route("/account", get(in_handler))
        .route("/extracted", get(|_: FreshSession<300>| async { "extracted" }))
        .with_state(manager.clone())
        .route("/me", get(|session: CurrentSession| async move { session.user().to_string() }))
        .route_service("/login", sign_in.login())
        .route_service("/callback", sign_in.callback())
        .layer(layer.with_rejection_response(login))
}

/// A browser with its own cookies, which follows no redirect by itself.
#[derive(Clone)]
struct Browser {
    http: reqwest::Client,
    address: String,
}

impl Browser {
    async fn open(&self, to: &str) -> Response {
        let url = Url::parse(&self.address).unwrap().join(to).unwrap();
        self.http.get(url).header(ACCEPT, "text/html").send().await.unwrap()
    }

    /// Follows redirects; returns the last path, status and text.
    async fn passes_through(&self, to: &str) -> (String, StatusCode, String) {
        let mut to = to.to_owned();
        for _ in 0..8 {
            let response = self.open(&to).await;
            if response.status() != StatusCode::SEE_OTHER {
                let path = response.url().path().to_owned();
                return (path, response.status(), response.text().await.unwrap());
            }
            to = location(&response);
        }
        panic!("redirected for ever, last to {to}")
    }

    /// Begins at a page, and returns the address of the callback that the provider sends it to.
    async fn comes_back_from(&self, page: &str) -> String {
        let login = location(&self.open(page).await);
        let at_provider = location(&self.open(&login).await);
        let mut at_provider = Url::parse(&at_provider).unwrap();
        at_provider.query_pairs_mut().append_pair("login_hint", "ann");
        location(&self.open(at_provider.as_str()).await)
    }
}

fn location(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{response:?}");
    response.headers()[LOCATION].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_page_that_needs_a_recent_sign_in_comes_back_with_the_same_session() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    site.browser().passes_through("/login?login_hint=ann").await;
    assert_eq!(site.sessions().await.len(), 2, "the cap is reached");
    let before = site.sessions().await.pop().unwrap();
    let login = location(&browser.open("/password?step=2").await);
    assert_eq!(login, "/login?max_age=300&return_to=%2Fpassword%3Fstep%3D2");

    let callback = browser.comes_back_from("/password?step=2").await;
    let response = browser.open(&callback).await;
    assert_eq!(location(&response), "/password?step=2");
    assert!(response.headers().contains_key(SET_COOKIE));
    let page = browser.open("/password?step=2").await;
    assert_eq!((page.status(), page.text().await.unwrap()), (StatusCode::OK, "the form".into()));
    assert_eq!(browser.open("/account").await.status(), StatusCode::OK);
    assert_eq!(browser.open("/extracted").await.status(), StatusCode::OK);

    assert_eq!(site.sessions().await.len(), 2, "no second session");
    let after = site.store.find(before.id).await.unwrap().unwrap().session;
    assert_eq!((after.created_at, after.is_live()), (before.created_at, true));
    assert_eq!(after.authentication.at, Some(site.manager.now()));
    let kinds = site.store.events(before.id).await.unwrap().into_iter().map(|event| event.kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [EventKind::Created, EventKind::SteppedUp]);
    assert_eq!(site.manager.process_revocations(10).await.unwrap().revoked, 1);
    assert_eq!(site.idp.control().families().len(), 2, "the grant of before is revoked");
}

#[tokio::test]
async fn a_level_is_asked_for_and_kept() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    assert_eq!(site.only_session().await.authentication.acr.as_deref(), Some("silver"));
    let callback = browser.comes_back_from("/vault").await;
    assert_eq!(location(&browser.open(&callback).await), "/vault");
    assert_eq!(browser.open("/vault").await.status(), StatusCode::OK);
    let acr = site.only_session().await.authentication.acr;
    assert_eq!(acr.as_deref(), Some("urn:example:\"gold\""));
}

#[tokio::test]
async fn programs_get_the_challenge_of_rfc_9470_and_nothing_that_breaks_out_of_it() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    let get = |path: &str| browser.http.get(format!("{}{path}", site.address)).send();
    for path in ["/password", "/account", "/extracted"] {
        let response = get(path).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""));
        assert!(challenge.ends_with(", max_age=\"300\""), "{challenge}");
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!(problem["error"], "insufficient_user_authentication");
    }
    let response = get("/vault").await.unwrap();
    let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.ends_with(r#", acr_values="urn:example:\"gold\" x""#), "{challenge}");
    // A form that is sent is not sent away.
    let posted =
        browser.http.post(format!("{}/password", site.address)).header(ACCEPT, "text/html");
    assert_eq!(posted.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    // Without a session it is as everywhere.
    let (path, status, _) = site.browser().passes_through("/vault").await;
    assert_eq!((path.as_str(), status), ("/authorize", StatusCode::OK), "the provider's form");
}

#[tokio::test]
async fn a_provider_that_does_not_authenticate_as_asked_changes_nothing() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    let before = site.only_session().await;
    site.idp.control().configure(|settings| {
        settings.authentication_age = MINUTE * 30;
        settings.honours_acr_values = false;
    });
    for page in ["/password", "/vault"] {
        let callback = browser.comes_back_from(page).await;
        let response = browser.open(&callback).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{page}");
        assert!(response.text().await.unwrap().contains("did not confirm"));
        // The same callback a second time.
        assert_eq!(browser.open(&callback).await.status(), StatusCode::BAD_REQUEST);
        assert_eq!(browser.open(page).await.status(), StatusCode::SEE_OTHER, "not let in");
    }
    let after = site.only_session().await;
    assert_eq!((after.revision, after.authentication), (before.revision, before.authentication));
    assert_eq!(browser.open("/me").await.status(), StatusCode::OK, "and still signed in");
}

#[tokio::test]
async fn another_user_at_the_provider_is_refused_and_given_back() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    let before = site.only_session().await;
    let login = location(&browser.open("/password").await);
    let callback = {
        let at_provider = location(&browser.open(&format!("{login}&login_hint=bob")).await);
        location(&browser.open(&at_provider).await)
    };
    let response = browser.open(&callback).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(response.text().await.unwrap().contains("another account"));
    assert_eq!(site.only_session().await.revision, before.revision);
    assert_eq!(browser.open("/me").await.text().await.unwrap(), "ann");
    while site.manager.process_revocations(10).await.unwrap().revoked == 0 {
        tokio::task::yield_now().await;
    }
    let families = site.idp.control().families();
    let subjects: Vec<_> = families.iter().map(|family| family.subject.as_str()).collect();
    assert_eq!(subjects, ["ann"]);
}

/// Opens a login, and returns the scope that the provider is asked for.
async fn asked_at(browser: &Browser, login: &str) -> String {
    let at_provider = Url::parse(&location(&browser.open(login).await)).unwrap();
    let mut asked = at_provider.query_pairs();
    asked.find(|(name, _)| name == "scope").unwrap().1.into_owned()
}

#[tokio::test]
async fn a_scope_that_is_needed_later_is_granted_to_the_same_session() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    let before = site.only_session().await;
    assert_eq!(site.scope().await, "openid profile offline_access");

    let login = "/login?scope=email%20address&return_to=%2Fme&login_hint=ann";
    assert_eq!(asked_at(&browser, login).await, "openid profile offline_access email");
    let at_provider = location(&browser.open(login).await);
    let callback = location(&browser.open(&at_provider).await);
    assert_eq!(location(&browser.open(&callback).await), "/me");
    assert_eq!(site.only_session().await.id, before.id);
    assert_eq!(site.scope().await, "openid profile email offline_access");

    let stepped_up = asked_at(&browser, "/login?max_age=0").await;
    assert_eq!(stepped_up, "openid profile offline_access email", "what was granted is kept");
    let another = asked_at(&site.browser(), "/login").await;
    assert_eq!(another, "openid profile offline_access", "and others are not asked for it");
}

#[tokio::test]
async fn a_response_that_does_not_name_the_scope_grants_what_was_asked_for() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    site.idp.control().configure(|settings| settings.send_scope = false);
    let at_provider = location(&browser.open("/login?scope=email&login_hint=ann").await);
    let callback = location(&browser.open(&at_provider).await);
    assert_eq!(location(&browser.open(&callback).await), "/");
    assert_eq!(site.scope().await, "openid profile offline_access email");
}

#[tokio::test]
async fn a_stolen_cookie_is_not_fresh_after_its_user_has_stepped_up() {
    let site = Site::new().await;
    let browser = site.browser();
    let callback = {
        let at_provider = location(&browser.open("/login?login_hint=ann").await);
        location(&browser.open(&at_provider).await)
    };
    let signed_in = browser.open(&callback).await;
    let cookies = signed_in.headers().get_all(SET_COOKIE).iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    let stolen = cookies.find(|cookie| cookie.starts_with("session=")).unwrap().to_owned();
    site.clock.advance(MINUTE * 10);
    let thief = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let steals = |path: &str| {
        let request = thief.get(format!("{}{path}", site.address)).header(COOKIE, &stolen);
        async move { request.send().await.unwrap().status() }
    };
    assert_eq!(steals("/me").await, StatusCode::OK);
    let callback = browser.comes_back_from("/password").await;
    browser.open(&callback).await;
    assert_eq!(steals("/password").await, StatusCode::UNAUTHORIZED, "before it was presented");
    assert_eq!(browser.open("/password").await.status(), StatusCode::OK);
    assert_eq!(steals("/password").await, StatusCode::UNAUTHORIZED);
    // The answer to the thief never has another secret for it.
    site.clock.advance(MINUTE * 2);
    assert_eq!(steals("/me").await, StatusCode::UNAUTHORIZED, "over, and replaced by none");
    assert_eq!(browser.open("/password").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn two_tabs_step_up_at_once_and_both_come_back() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    let one = browser.comes_back_from("/password?tab=1").await;
    let two = browser.comes_back_from("/password?tab=2").await;
    let (first, second) = tokio::join!(browser.open(&one), browser.open(&two));
    assert_eq!(location(&first), "/password?tab=1");
    assert_eq!(location(&second), "/password?tab=2");
    assert_eq!(browser.open("/password").await.status(), StatusCode::OK);
    site.only_session().await;
}

#[tokio::test]
async fn a_session_that_ended_meanwhile_is_signed_in_anew() {
    let site = Site::new().await;
    let browser = site.signed_in().await;
    let before = site.only_session().await;
    let callback = browser.comes_back_from("/password").await;
    site.manager.end_one(&before.user, before.id).await.unwrap();
    assert_eq!(location(&browser.open(&callback).await), "/password");
    assert_eq!(browser.open("/password").await.status(), StatusCode::OK);
    assert_ne!(site.only_session().await.id, before.id);
}

#[tokio::test]
async fn a_callback_of_another_browser_steps_nobody_up() {
    let site = Site::new().await;
    let (ann, thief) = (site.signed_in().await, site.browser());
    let before = site.only_session().await;
    let callback = ann.comes_back_from("/password").await;
    assert_eq!(thief.open(&callback).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(site.only_session().await.revision, before.revision);
    assert_eq!(location(&ann.open(&callback).await), "/password", "and Ann is not locked out");
}

/// In a real browser, where `scripts/browser` has prepared one.
#[tokio::test(flavor = "multi_thread")]
async fn in_chromium_the_page_comes_back_with_the_same_session() {
    let Ok(folder) = std::env::var("SESSION_TEST_BROWSER") else { return };
    let site = Site::new().await;
    site.browser().passes_through("/login?login_hint=ann").await;
    let mut node = Command::new("node");
    node.arg(format!("{folder}/step-up.mjs")).arg(&site.address).kill_on_drop(true);
    let mut node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(node.stdout.take().unwrap()).lines();
    assert_eq!(said.next_line().await.unwrap().as_deref(), Some("signed in"));
    let ids = async || site.sessions().await.into_iter().map(|it| it.id).collect::<Vec<_>>();
    let before = ids().await;
    assert_eq!(before.len(), 2, "the cap is reached");
    site.clock.advance(MINUTE * 10);
    node.stdin.take().unwrap().write_all(b"go on\n").await.unwrap();
    assert_eq!(said.next_line().await.unwrap().as_deref(), Some("stepped up"));
    assert!(node.wait().await.unwrap().success());
    assert_eq!(ids().await, before, "the same sessions");
}

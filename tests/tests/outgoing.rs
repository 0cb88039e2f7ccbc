//! The story that the project began with, over HTTP: an application whose users sign in at a provider
//! and call a tool from each of their devices.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use http_body_util::Full;
use identity_provider::RunningProvider;
use reqwest::redirect::Policy;
use session_core::manager::SignIn;
use session_core::policy::OnFull;
use session_core::provider::openid::OpenIdProvider;
use session_core::store::memory::MemoryStore;
use session_core::testing::{FakeClock, ScriptedProvider, sample};
use session_core::token::Resource;
use session_core::{ProviderName, SessionManager, SessionPolicy};
use session_tests::identity::provider;
use session_tests::manager::keyring;
use session_tower::outgoing::{Cloned, OnBehalfOf, OutgoingLayer};
use session_tower::sign_in::OpenIdSignIn;
use session_tower::{CurrentSession, Rejection, SessionCookie, SessionLayer};
use tokio::net::TcpListener;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer as _, ServiceBuilder, ServiceExt as _};
use tower_http::follow_redirect::FollowRedirectLayer;

type HttpClient = BoxCloneSyncService<Request<Full<Bytes>>, Response<reqwest::Body>, BoxError>;

/// reqwest behind the layer, as its documentation says.
fn client(outgoing: OutgoingLayer<Cloned>, redirects: Policy) -> HttpClient {
    let http = reqwest::Client::builder().redirect(redirects).no_proxy().build().unwrap();
    let service = ServiceBuilder::new()
        .map_err(BoxError::from)
        .layer(outgoing)
        .map_request(|request: Request<Full<Bytes>>| {
            reqwest::Request::try_from(request.map(reqwest::Body::wrap)).unwrap()
        })
        .map_response(Response::<reqwest::Body>::from)
        .service(http);
    BoxCloneSyncService::new(service)
}

/// An application that runs, and its provider, whose userinfo endpoint is the tool.
struct Site {
    address: String,
    idp: RunningProvider,
    clock: FakeClock,
}

impl Site {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let idp = provider(&address).await;
        let (okta, clock) = (ProviderName::new("okta").unwrap(), FakeClock::new());
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        let openid = OpenIdProvider::builder(idp.issuer().as_str(), "app", http)
            .dangerous_insecure_loopback()
            .with_client_secret("app-secret".to_owned().into())
            .build()
            .unwrap();
        let openid = Arc::new(openid);
        let policy =
            SessionPolicy::builder().max_sessions(2).on_full(OnFull::EvictOldest).build().unwrap();
        let manager = SessionManager::builder(MemoryStore::new())
            .policy(policy)
            .keyring(keyring())
            .clock(clock.clone())
            .provider("okta", Arc::clone(&openid))
            .start()
            .await
            .unwrap();
        let sign_in = OpenIdSignIn::builder(manager.clone(), &*address)
            .dev(listener.local_addr().unwrap())
            .provider(okta, openid);
        let router = router(&sign_in.build().unwrap(), &manager, &idp);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, idp, clock }
    }

    /// A browser that has signed in.
    async fn device(&self) -> Device {
        let http = reqwest::Client::builder().cookie_store(true).no_proxy().build().unwrap();
        let device = Device { http, address: self.address.clone() };
        let answer = device.open("/login?login_hint=ann").await;
        assert_eq!(answer, (StatusCode::OK, "home".to_owned()));
        device
    }
}

fn router(sign_in: &OpenIdSignIn, manager: &SessionManager, idp: &RunningProvider) -> Router {
    // Plain http: browsers keep no `__Host-` cookie.
    let cookie = SessionCookie::builder().name("session").dangerous_insecure().build().unwrap();
    let layer = SessionLayer::new(manager.clone()).with_cookie(cookie);
    let tool = Tool {
        client: client(
            OutgoingLayer::new(manager.clone())
                .allow(idp.issuer().as_str().trim_end_matches('/'))
                .unwrap()
                .repeat_cloned(),
            Policy::none(),
        ),
        url: format!("{}/userinfo", idp.issuer().as_str().trim_end_matches('/')),
    };
    Router::new()
        .route_service("/login", sign_in.login())
        .route_service("/callback", sign_in.callback())
        .route_service("/logout", sign_in.logout())
        .route("/tool", get(call_tool))
        .route("/", get(|| async { "home" }))
        .with_state(tool)
        .layer(layer)
}

#[derive(Clone)]
struct Tool {
    client: HttpClient,
    url: String,
}

async fn call_tool(
    State(tool): State<Tool>,
    current: CurrentSession,
) -> Result<impl IntoResponse, Rejection> {
    let request = Request::get(tool.url).extension(current).body(Full::default()).unwrap();
    match tool.client.oneshot(request).await {
        Ok(answer) => Ok((answer.status(), axum::body::Body::new(answer.into_body()))),
        Err(error) => panic!("the tool was not called: {error}"),
    }
}

struct Device {
    http: reqwest::Client,
    address: String,
}

impl Device {
    async fn open(&self, path: &str) -> (StatusCode, String) {
        let answer = self.http.get(format!("{}{path}", self.address)).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn signs_out(&self) {
        let answer = self.http.post(format!("{}/logout", self.address)).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    async fn calls_the_tool(&self, when: &str) {
        let (status, body) = self.open("/tool").await;
        assert_eq!(status, StatusCode::OK, "{when}: {body}");
        assert!(body.contains("\"sub\""), "{when}: {body}");
    }

    async fn is_refused(&self, because: &str) {
        let (status, body) = self.open("/tool").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
        assert!(body.contains(because), "{body}");
    }
}

#[tokio::test]
async fn every_device_calls_the_tool_until_its_own_session_ends() {
    let site = Site::new().await;
    let laptop = site.device().await;
    laptop.calls_the_tool("signed in").await;
    let phone = site.device().await;
    laptop.calls_the_tool("after the phone has signed in").await;
    phone.calls_the_tool("signed in as well").await;

    site.clock.advance(Duration::from_secs(3600));
    laptop.calls_the_tool("after an hour").await;
    phone.calls_the_tool("after an hour").await;

    let control = site.idp.control();
    let revoked =
        control.families().iter().filter(|of| control.revoke_access_tokens(&of.sid)).count();
    assert_eq!(revoked, 2, "the tool answers 401 to both");
    site.clock.advance(Duration::from_secs(60));
    laptop.calls_the_tool("after a 401").await;
    phone.calls_the_tool("after a 401").await;

    phone.signs_out().await;
    laptop.calls_the_tool("after the phone has signed out").await;
    phone.is_refused("no_session").await;

    let (_tablet, _desktop) = (site.device().await, site.device().await);
    laptop.is_refused("evicted").await;
    assert_eq!(control.stats().reuse_detected, 0, "no refresh token was sent twice");
}

/// A server that notes the `Authorization` headers that it gets, and may redirect.
struct Recorder {
    address: String,
    seen: Arc<Mutex<Vec<Option<String>>>>,
}

impl Recorder {
    async fn start(redirect_to: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let router = Router::new().fallback(async move |headers: HeaderMap| {
            let header = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
            noted.lock().unwrap().push(header);
            match redirect_to {
                Some(to) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response(),
                None => "answer".into_response(),
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_redirect_does_not_take_the_token_elsewhere() {
    let manager =
        SessionManager::builder(MemoryStore::new()).keyring(keyring()).start().await.unwrap();
    let tokens = session_core::TokenResponse::bearer("at-1");
    let login = SignIn::new(&sample::user("ann"), &sample::provider("okta"), tokens);
    let session = manager.sign_in(login).await.unwrap().session;
    let attacker = Recorder::start(None).await;
    let resource = Recorder::start(Some(format!("{}/stolen", attacker.address))).await;
    let outgoing = || {
        let layer = OutgoingLayer::new(manager.clone()).allow(&resource.address).unwrap();
        layer.repeat_cloned()
    };
    let request = || {
        let request = Request::get(format!("{}/file", resource.address));
        request.extension(OnBehalfOf::session(&session)).body(Full::default()).unwrap()
    };

    // The client follows by itself.
    client(outgoing(), Policy::default()).oneshot(request()).await.unwrap();
    // A layer outside follows, hop by hop.
    let hop_by_hop = client(outgoing().pass_others(), Policy::none());
    FollowRedirectLayer::new().layer(hop_by_hop).oneshot(request()).await.unwrap();
    let strict = client(outgoing(), Policy::none());
    let followed = FollowRedirectLayer::new().layer(strict).oneshot(request()).await;
    drop(followed);

    assert_eq!(resource.seen(), vec![Some("Bearer at-1".to_owned()); 3]);
    assert!(attacker.seen().len() >= 2, "the redirects were followed");
    assert!(attacker.seen().iter().all(Option::is_none), "{:?}", attacker.seen());
}

/// A manager with a provider that detects reuse, and a session whose tokens have expired.
async fn expired() -> (SessionManager, ScriptedProvider, OnBehalfOf) {
    let (clock, provider) = (FakeClock::new(), ScriptedProvider::new().with_reuse_detection());
    let manager = SessionManager::builder(MemoryStore::new())
        .keyring(keyring())
        .clock(clock.clone())
        .provider("*", provider.clone())
        .start()
        .await
        .unwrap();
    let login = SignIn::new(&sample::user("ann"), &sample::provider("okta"), provider.sign_in());
    let session = manager.sign_in(login).await.unwrap().session;
    clock.advance(Duration::from_secs(400));
    (manager, provider, OnBehalfOf::session(&session))
}

#[tokio::test]
async fn f24_a_thousand_calls_at_expiry_over_three_resources_and_an_attacker_s_redirect() {
    let (manager, provider, caller) = expired().await;
    let attacker = Recorder::start(None).await;
    let stolen = format!("{}/files/stolen", attacker.address);
    let resources = [
        Recorder::start(None).await,
        Recorder::start(None).await,
        Recorder::start(Some(stolen)).await,
    ];
    let mut layer = OutgoingLayer::new(manager).pass_others();
    for resource in &resources {
        let address = format!("{}/files", resource.address);
        layer = layer.allow_for(&address, Resource::new(&*address).unwrap()).unwrap();
    }
    let client = client(layer.repeat_cloned(), Policy::none());
    let calls = (0..1000).map(|number| {
        let address = format!("{}/files/{number}", resources[number % 3].address);
        let request = Request::get(address).extension(caller.clone()).body(Full::default());
        FollowRedirectLayer::new().layer(client.clone()).oneshot(request.unwrap())
    });
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert_eq!((provider.renewals(), provider.reuses()), (3, 0), "each resource's token once");
    let mut tokens = std::collections::HashSet::new();
    for resource in &resources {
        let seen = resource.seen();
        assert!(seen.len() >= 333 && seen.iter().all(|token| *token == seen[0]), "{seen:?}");
        assert!(tokens.insert(seen[0].clone().unwrap()), "a token of its own");
    }
    assert_eq!(attacker.seen(), vec![None; attacker.seen().len()]);
    assert!(attacker.seen().len() >= 333, "the redirects were followed");
    // Beside the paths of the resource nothing is sent.
    let beside = format!("{}/files/../admin", resources[0].address);
    let request = Request::get(beside).extension(caller).body(Full::default()).unwrap();
    let before = resources[0].seen().len();
    client.oneshot(request).await.unwrap();
    assert_eq!(resources[0].seen()[before..], [None]);
}

//! Back-channel logout: which logout tokens are refused, and what an accepted one ends.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use identity_provider::{RunningProvider, SigningKey};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use session_core::clock::Clock as _;
use session_core::manager::{Resolution, SignIn, SignedIn};
use session_core::provider::openid::{OpenIdBuilder, OpenIdProvider};
use session_core::session::ProviderIdentity;
use session_core::store::memory::MemoryStore;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::{FakeClock, Fault, FaultyStore, Method, sample};
use session_core::{EndReason, ProviderName, Session, SessionManager, SessionStore, TokenResponse};
use session_tests::database::Migrated;
use session_tests::identity::{provider, signing_key};
use session_tests::manager::{keyring, until_real};
use session_tests::on_every_database;
use session_tower::sign_in::{BackChannelLogoutService, OpenIdSignIn, SubjectAsUser};
use tower::ServiceExt as _;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

struct Site {
    idp: RunningProvider,
    key: SigningKey,
    clock: FakeClock,
    store: FaultyStore,
    manager: SessionManager,
    openid: Arc<OpenIdProvider>,
    logout: BackChannelLogoutService,
}

/// Returns the site as this client of the provider.
fn client(idp: &RunningProvider, clock: &FakeClock, id: &str) -> OpenIdBuilder {
    let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    OpenIdProvider::builder(idp.issuer().as_str(), id, http)
        .dangerous_insecure_loopback()
        .with_clock(Arc::new(clock.clone()))
        .with_client_secret("app-secret".to_owned().into())
}

/// Starts a process of the site.
async fn node(
    store: impl SessionStore,
    clock: &FakeClock,
    openid: &Arc<OpenIdProvider>,
) -> (SessionManager, BackChannelLogoutService) {
    let manager = SessionManager::builder(store)
        .keyring(keyring())
        .clock(clock.clone())
        .provider("*", Arc::clone(openid))
        .start()
        .await
        .unwrap();
    let okta = ProviderName::new("okta").unwrap();
    let sign_in = OpenIdSignIn::builder(manager.clone(), "https://app.example")
        .provider(okta, Arc::clone(openid))
        .build()
        .unwrap();
    (manager, sign_in.back_channel_logout())
}

impl Site {
    async fn new() -> Self {
        Self::with(false).await
    }

    async fn with(accepts_untyped: bool) -> Self {
        let idp = provider("http://127.0.0.1").await;
        let clock = FakeClock::new();
        let mut openid = client(&idp, &clock, "app");
        if accepts_untyped {
            openid = openid.accept_untyped_logout_tokens();
        }
        let openid = Arc::new(openid.build().unwrap());
        let store = FaultyStore::new(MemoryStore::new());
        let (manager, logout) = node(store.clone(), &clock, &openid).await;
        Self { idp, key: signing_key(), clock, store, manager, openid, logout }
    }

    /// Returns this site as another process serves it, on another store.
    async fn on(mut self, store: impl SessionStore) -> Self {
        (self.manager, self.logout) = node(store, &self.clock, &self.openid).await;
        self
    }

    fn issuer(&self) -> String {
        self.idp.issuer().as_str().to_owned()
    }

    async fn sign_in(&self, subject: &str, sid: &str) -> Session {
        self.sign_in_from(&self.issuer(), subject, sid).await
    }

    async fn sign_in_from(&self, issuer: &str, subject: &str, sid: &str) -> Session {
        self.signed_in(issuer, subject, sid).await.session
    }

    async fn signed_in(&self, issuer: &str, subject: &str, sid: &str) -> SignedIn {
        let tokens = TokenResponse::bearer("at");
        let identity = ProviderIdentity {
            issuer: Some(issuer.to_owned()),
            subject: Some(sample::subject(subject)),
            sid: Some(sid.to_owned()),
            account: None,
        };
        let login = SignIn::new(&sample::user("ann"), &sample::provider("okta"), tokens);
        self.manager.sign_in(login.identity(identity)).await.unwrap()
    }

    /// Claims that are valid now, for a `sid`.
    fn claims(&self, sid: &str) -> Value {
        let now = self.clock.now().as_millis() / 1000;
        json!({
            "iss": self.issuer(), "aud": "app", "iat": now, "exp": now + 120,
            "jti": format!("id-{sid}"), "sid": sid, "events": { EVENT: {} },
        })
    }

    fn signed(&self, claims: &Value) -> String {
        self.key.sign(json!({ "typ": "logout+jwt" }), claims).unwrap()
    }

    async fn send(&self, token: &str) -> (StatusCode, String) {
        let form = format!("logout_token={token}");
        let (status, text, _) = self.post(form).await;
        (status, text)
    }

    async fn post(&self, form: String) -> (StatusCode, String, bool) {
        let request = Request::post("/backchannel-logout").body(Body::from(form)).unwrap();
        let answer = self.logout.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
        let (status, may_retry) = (answer.status(), answer.headers().contains_key(RETRY_AFTER));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap(), may_retry)
    }

    async fn is_live(&self, session: &Session) -> bool {
        let listed = self.manager.list(&session.user, None).await.unwrap();
        listed.iter().any(|one| one.session.id == session.id)
    }

    /// Sends claims that must be refused with this reason, and end nothing.
    async fn refuses(&self, claims: &Value, because: &str) {
        self.refuses_token(&self.signed(claims), because).await;
    }

    async fn refuses_token(&self, token: &str, because: &str) {
        let laptop = self.sign_in("sub-1", "sid-1").await;
        let (status, text) = self.send(token).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{because}: {text}");
        assert!(text.contains("invalid_request") && text.contains(because), "{because}: {text}");
        assert!(self.is_live(&laptop).await, "{because}");
    }
}

/// The claims with one of them changed, or removed by `null`.
fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    match value {
        Value::Null => drop(changed.as_object_mut().unwrap().remove(name)),
        value => changed[name] = value,
    }
    changed
}

#[tokio::test]
async fn b4_a_sid_ends_exactly_its_session() {
    let site = Site::new().await;
    let (laptop, phone) =
        (site.sign_in("sub-1", "sid-1").await, site.sign_in("sub-1", "sid-2").await);
    let elsewhere = site.sign_in_from("https://other.example", "sub-1", "sid-1").await;
    let both = with(&site.claims("sid-1"), "sub", json!("sub-1"));
    assert_eq!(site.send(&site.signed(&both)).await, (StatusCode::OK, String::new()));
    assert!(!site.is_live(&laptop).await);
    assert!(site.is_live(&phone).await && site.is_live(&elsewhere).await);
    let events = site.store.clone();
    let events = session_core::store::EventLog::events(&events, laptop.id).await.unwrap();
    let kind = session_core::event::EventKind::Ended(EndReason::ProviderLogout);
    assert_eq!(events.last().unwrap().kind, kind);
}

#[tokio::test]
async fn b4_a_sub_ends_all_of_that_subject_and_no_tool_clients() {
    let site = Site::new().await;
    let (laptop, phone) =
        (site.sign_in("sub-1", "sid-1").await, site.sign_in("sub-1", "sid-2").await);
    let other = site.sign_in("sub-2", "sid-3").await;
    let (ann, files) = (sample::user("ann"), sample::provider("mcp:files"));
    let tool = site.manager.connect(&ann, &files, TokenResponse::bearer("at")).await.unwrap();
    let claims = with(&with(&site.claims("x"), "sid", Value::Null), "sub", json!("sub-1"));
    assert_eq!(site.send(&site.signed(&claims)).await.0, StatusCode::OK);
    assert!(!site.is_live(&laptop).await && !site.is_live(&phone).await);
    assert!(site.is_live(&other).await && site.is_live(&tool.session).await);
}

/// Each node holds the session, as its cache does; the logout comes to one of them.
#[tokio::test]
async fn b4_a_logout_is_seen_on_every_node_within_the_bound_and_by_its_session_alone() {
    let site = Site::new().await;
    let issuer = site.issuer();
    let laptop = site.signed_in(&issuer, "sub-1", "sid-1").await;
    let phone = site.signed_in(&issuer, "sub-1", "sid-2").await;
    let (mut nodes, mut held) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (manager, _) = node(site.store.clone(), &site.clock, &site.openid).await;
        let mut signals = Vec::new();
        for secret in [&laptop.secret, &phone.secret] {
            match manager.resolve(&secret.digest(), None).await.unwrap() {
                Resolution::Live(live) => signals.push((live.ended_signal(), live)),
                other => panic!("{other:?}"),
            }
        }
        held.push(signals);
        nodes.push(manager);
    }
    let (status, _) = site.send(&site.signed(&site.claims("sid-1"))).await;
    assert_eq!(status, StatusCode::OK);
    let interval = nodes[0].policy().follow_interval();
    assert!(interval * 2 < nodes[0].policy().max_staleness());
    until_real("every node has seen it", async || {
        // Each looks once an interval, from when it began.
        held.iter().all(|signals| signals[0].0.reason() == Some(EndReason::ProviderLogout)) || {
            if site.clock.now() < laptop.session.created_at + interval * 2 {
                site.clock.advance(interval);
            }
            false
        }
    })
    .await;
    assert!(site.clock.now() <= laptop.session.created_at + interval * 2);
    assert!(held.iter().all(|signals| signals[1].0.reason().is_none()), "the phone stays");
}

#[tokio::test]
async fn b1_a_token_of_another_issuer_or_for_another_client_is_refused() {
    let site = Site::new().await;
    let valid = site.claims("sid-1");
    site.refuses(&with(&valid, "iss", json!("https://evil.example")), "another issuer").await;
    site.refuses(&with(&valid, "iss", Value::Null), "another issuer").await;
    site.refuses(&with(&valid, "aud", json!("other")), "another client").await;
    site.refuses(&with(&valid, "aud", json!(["other", "app2"])), "another client").await;
    site.refuses(&with(&valid, "aud", Value::Null), "another client").await;
    let several = with(&valid, "aud", json!(["other", "app"]));
    assert_eq!(site.send(&site.signed(&several)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn b1_a_token_without_its_times_or_id_or_of_another_time_is_refused() {
    let site = Site::new().await;
    let valid = site.claims("sid-1");
    let now = site.clock.now().as_millis() / 1000;
    for claim in ["iat", "exp", "jti"] {
        let because = format!("no valid {claim}");
        site.refuses(&with(&valid, claim, Value::Null), &because).await;
    }
    site.refuses(&with(&valid, "jti", json!("")), "no valid jti").await;
    site.refuses(&with(&valid, "iat", json!(1e300)), "no valid iat").await;
    site.refuses(&with(&valid, "exp", json!(now - 61)), "too old").await;
    site.refuses(&with(&valid, "iat", json!(now + 120)), "from the future").await;
    let old = with(&with(&valid, "iat", json!(now - 700)), "exp", json!(now + 3600));
    site.refuses(&old, "too old").await;
}

#[tokio::test]
async fn b1_an_unsigned_or_forged_token_is_refused() {
    let site = Site::new().await;
    let valid = site.claims("sid-1");
    let header = |header: Value| site.key.sign(header, &valid).unwrap();
    let none = header(json!({ "typ": "logout+jwt", "alg": "none" }));
    let unsigned = format!("{}.", none.rsplit_once('.').unwrap().0);
    site.refuses_token(&unsigned, "an algorithm that the provider does not announce").await;
    site.refuses_token(&none, "an algorithm that the provider does not announce").await;
    // Signed by a key, but said to be by the client's secret.
    let confused = header(json!({ "typ": "logout+jwt", "alg": "HS256" }));
    site.refuses_token(&confused, "logout token").await;
    site.refuses_token(&header(json!({ "typ": "logout+jwt", "crit": ["b64"] })), "no key").await;
    let other = SigningKey::generate().unwrap();
    let forged = other.sign(json!({ "typ": "logout+jwt" }), &valid).unwrap();
    site.refuses_token(&forged, "no key").await;
    let good = site.signed(&valid);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let payload = site.signed(&site.claims("sid-2"));
    let swapped = format!("{head}.{}.{signature}", payload.split('.').nth(1).unwrap());
    site.refuses_token(&swapped, "no key").await;
    for garbage in ["", ".", "..", "a.b.c", "e30.e30.e30", &"x".repeat(20_000)] {
        site.refuses_token(garbage, "").await;
    }
}

#[tokio::test]
async fn b2_the_type_is_logout_jwt_unless_that_is_relaxed() {
    let site = Site::new().await;
    let valid = site.claims("sid-1");
    for header in [json!({}), json!({ "typ": "JWT" }), json!({ "typ": "at+jwt" })] {
        site.refuses_token(&site.key.sign(header, &valid).unwrap(), "logout+jwt").await;
    }
    let written_out = json!({ "typ": "application/Logout+JWT" });
    let token = site.key.sign(written_out, &valid).unwrap();
    assert_eq!(site.send(&token).await.0, StatusCode::OK);

    let relaxed = Site::with(true).await;
    let valid = relaxed.claims("sid-1");
    for (turn, header) in [json!({}), json!({ "typ": "JWT" })].into_iter().enumerate() {
        let claims = with(&valid, "jti", json!(turn.to_string()));
        let token = relaxed.key.sign(header, &claims).unwrap();
        assert_eq!(relaxed.send(&token).await.0, StatusCode::OK);
    }
    let other = relaxed.key.sign(json!({ "typ": "at+jwt" }), &valid).unwrap();
    relaxed.refuses_token(&other, "logout+jwt").await;
}

#[tokio::test]
async fn b3_a_token_is_about_a_logout_of_someone_and_no_id_token() {
    let site = Site::new().await;
    let valid = site.claims("sid-1");
    site.refuses(&with(&valid, "nonce", json!("n")), "a nonce").await;
    site.refuses(&with(&valid, "sid", Value::Null), "neither").await;
    site.refuses(&with(&valid, "sub", json!("")), "neither").await;
    site.refuses(&with(&valid, "events", Value::Null), "does not report a logout").await;
    site.refuses(&with(&valid, "events", json!({ EVENT: true })), "does not report").await;
    site.refuses(&with(&valid, "events", json!({ "other": {} })), "does not report").await;
    for form in ["", "logout_token=", "token=x", "logout_token=a&logout_token=b"] {
        assert_eq!(site.post(form.to_owned()).await.0, StatusCode::BAD_REQUEST, "{form}");
    }
    let large = format!("logout_token={}", "x".repeat(100_000));
    assert_eq!(site.post(large).await.0, StatusCode::BAD_REQUEST);
    let request = Request::get("/backchannel-logout").body(Body::empty()).unwrap();
    let answer = site.logout.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn b5_a_token_once_more_ends_no_session_that_began_later() {
    let site = Site::new().await;
    let laptop = site.sign_in("sub-1", "sid-1").await;
    let claims = with(&with(&site.claims("x"), "sid", Value::Null), "sub", json!("sub-1"));
    let token = site.signed(&claims);
    assert_eq!(site.send(&token).await.0, StatusCode::OK);
    assert!(!site.is_live(&laptop).await);
    let again = site.sign_in("sub-1", "sid-2").await;
    assert_eq!(site.send(&token).await.0, StatusCode::OK, "the provider tries again");
    assert!(site.is_live(&again).await);
    site.clock.advance(Duration::from_secs(300));
    assert_eq!(site.send(&token).await.0, StatusCode::BAD_REQUEST, "too old by now");
    assert!(site.is_live(&again).await);
}

on_every_database! {
    async fn b5_a_token_that_reaches_another_process_once_more_ends_no_later_session(
        database: Migrated
    ) {
        let connect = || async { SeaOrmStore::connect(database.url()).await.unwrap() };
        let mut here = Site::new().await.on(connect().await).await;
        let (_, there) = node(connect().await, &here.clock, &here.openid).await;
        let (laptop, phone) =
            (here.sign_in("sub-1", "sid-1").await, here.sign_in("sub-1", "sid-2").await);
        let claims = with(&with(&here.claims("x"), "sid", Value::Null), "sub", json!("sub-1"));
        let token = here.signed(&claims);
        assert_eq!(here.send(&token).await.0, StatusCode::OK);
        assert!(!here.is_live(&laptop).await && !here.is_live(&phone).await);
        // The clocks may differ by a minute: until then it could be one of those that are over.
        here.clock.advance(Duration::from_secs(61));
        let again = here.sign_in("sub-1", "sid-3").await;
        here.logout = there;
        assert_eq!(here.send(&token).await.0, StatusCode::OK, "the provider tries again");
        assert!(here.is_live(&again).await);
        // A new token of the provider ends it, and so does one by its `sid`.
        let fresh = with(&with(&here.claims("y"), "sid", Value::Null), "sub", json!("sub-1"));
        assert_eq!(here.send(&here.signed(&fresh)).await.0, StatusCode::OK);
        assert!(!here.is_live(&again).await);
    }
}

#[tokio::test]
async fn b5_a_provider_whose_clock_is_behind_ends_sessions_all_the_same() {
    let site = Site::new().await;
    let laptop = site.sign_in("sub-1", "sid-1").await;
    let now = site.clock.now().as_millis() / 1000;
    let claims = with(&with(&site.claims("x"), "sid", Value::Null), "sub", json!("sub-1"));
    let behind = with(&claims, "iat", json!(now - 59));
    assert_eq!(site.send(&site.signed(&behind)).await.0, StatusCode::OK);
    assert!(!site.is_live(&laptop).await);
    // By a `sid` the time does not matter: it is over for good.
    let phone = site.sign_in("sub-1", "sid-2").await;
    let long_behind = with(&site.claims("sid-2"), "iat", json!(now - 500));
    assert_eq!(site.send(&site.signed(&long_behind)).await.0, StatusCode::OK);
    assert!(!site.is_live(&phone).await);
}

#[tokio::test]
async fn b5_a_logout_that_an_outage_prevented_is_carried_out_when_it_comes_again() {
    let site = Site::new().await;
    let laptop = site.sign_in("sub-1", "sid-1").await;
    let token = site.signed(&site.claims("sid-1"));
    site.store.set(Method::End, Fault::AWAY);
    let (status, _, may_retry) = site.post(format!("logout_token={token}")).await;
    assert_eq!((status, may_retry), (StatusCode::SERVICE_UNAVAILABLE, true));
    assert!(site.is_live(&laptop).await);
    site.store.clear(Method::End);
    assert_eq!(site.send(&token).await.0, StatusCode::OK);
    assert!(!site.is_live(&laptop).await);
}

#[tokio::test]
async fn b6_made_up_key_ids_keep_no_true_token_out() {
    let site = Site::new().await;
    let laptop = site.sign_in("sub-1", "sid-1").await;
    let claims = site.claims("sid-1");
    for number in 0..20 {
        let header = json!({ "typ": "logout+jwt", "kid": format!("made-up-{number}") });
        let token = site.key.sign(header, &claims).unwrap();
        assert_eq!(site.send(&token).await.0, StatusCode::BAD_REQUEST);
    }
    assert!(site.is_live(&laptop).await);
    assert_eq!(site.send(&site.signed(&claims)).await.0, StatusCode::OK);
    assert!(!site.is_live(&laptop).await);
}

#[tokio::test]
async fn b6_keys_that_cannot_be_fetched_are_no_refusal() {
    let site = Site::new().await;
    let laptop = site.sign_in("sub-1", "sid-1").await;
    let form = format!("logout_token={}", site.signed(&site.claims("sid-1")));
    let Site { idp, logout, manager, .. } = site;
    idp.shutdown().await;
    let request = Request::post("/backchannel-logout").body(Body::from(form)).unwrap();
    let answer = logout.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key(RETRY_AFTER));
    assert_eq!(manager.list(&laptop.user, None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn b3_a_token_is_for_whichever_client_of_its_issuer_this_site_is() {
    let mut site = Site::new().await;
    let admin = Arc::new(client(&site.idp, &site.clock, "app-admin").build().unwrap());
    let named = |name| ProviderName::new(name).unwrap();
    let both = OpenIdSignIn::builder(site.manager.clone(), "https://app.example")
        .provider(named("okta"), Arc::clone(&site.openid))
        .provider(named("okta-admin"), admin);
    site.logout = both.users(SubjectAsUser).build().unwrap().back_channel_logout();
    for audience in ["app", "app-admin"] {
        let laptop = site.sign_in("sub-1", audience).await;
        let claims = with(&site.claims(audience), "aud", json!(audience));
        assert_eq!(site.send(&site.signed(&claims)).await, (StatusCode::OK, String::new()));
        assert!(!site.is_live(&laptop).await, "{audience}");
    }
    site.refuses(&with(&site.claims("x"), "aud", json!("app-other")), "another client").await;
}

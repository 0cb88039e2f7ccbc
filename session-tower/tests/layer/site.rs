//! A site to send requests to, with a faulty store, a fake clock and a scripted provider.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use session_core::manager::{ManagerBuilder, SignIn, SignedIn};
use session_core::policy::PolicyBuilder;
use session_core::session::SessionSecret;
use session_core::store::memory::MemoryStore;
use session_core::testing::{FakeClock, FaultyStore, ScriptedProvider, sample};
use session_core::{Keyring, SessionManager, SessionPolicy};
use session_tower::{CurrentSession, EndedSession, SessionLayer, UnreadableSession};
use tower::{Layer, Service, ServiceExt, service_fn};

pub(crate) type Body = Full<Bytes>;

pub(crate) struct Site {
    pub(crate) store: FaultyStore,
    pub(crate) clock: FakeClock,
    pub(crate) provider: ScriptedProvider,
    pub(crate) manager: SessionManager,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with_policy(|policy| policy).await
    }

    pub(crate) async fn with_policy(policy: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        let (store, clock) = (FaultyStore::new(MemoryStore::new()), FakeClock::new());
        let provider = ScriptedProvider::new();
        let policy = policy(SessionPolicy::builder()).build().unwrap();
        let manager = manager(&store, &clock, &provider).policy(policy).start().await.unwrap();
        store.reset_calls();
        Self { store, clock, provider, manager }
    }

    /// Starts another process with the same store and clock.
    pub(crate) async fn other_process(&self) -> Self {
        let manager = manager(&self.store, &self.clock, &self.provider);
        let manager = manager.policy(self.manager.policy().clone()).start().await.unwrap();
        let (store, clock, provider) =
            (self.store.clone(), self.clock.clone(), self.provider.clone());
        Self { store, clock, provider, manager }
    }

    pub(crate) async fn sign_in(&self, user: &str) -> SignedIn {
        self.manager.sign_in(self.login(user)).await.unwrap()
    }

    /// Creates a sign-in with tokens of the provider.
    pub(crate) fn login(&self, user: &str) -> SignIn {
        SignIn::new(&sample::user(user), &sample::provider("okta"), self.provider.sign_in())
    }

    pub(crate) fn layer(&self) -> SessionLayer {
        SessionLayer::new(self.manager.clone())
    }

    /// Returns the layer with its defaults around [`show_user`].
    pub(crate) fn service(&self) -> impl SiteService {
        self.layer().layer(service_fn(show_user))
    }

    /// Returns the same service, but with a session required.
    pub(crate) fn require_session(&self) -> impl SiteService {
        self.layer().require_session().layer(service_fn(show_user))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn manager(store: &FaultyStore, clock: &FakeClock, provider: &ScriptedProvider) -> ManagerBuilder {
    SessionManager::builder(store.clone())
        .keyring(keyring())
        .clock(clock.clone())
        .provider("*", provider.clone())
}

/// Returns the keyring of all sites, with one random key.
pub(crate) fn keyring() -> Keyring {
    static ENTRY: OnceLock<String> = OnceLock::new();
    let entry = ENTRY.get_or_init(|| Keyring::generate_entry("site").unwrap().to_string());
    Keyring::parse(entry).unwrap()
}

/// A service of a site.
pub(crate) trait SiteService:
    Service<Request<Body>, Response = Response<Self::Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
    type Body: http_body::Body<Data = Bytes, Error = Infallible> + Send;
}

impl<S, B> SiteService for S
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send,
{
    type Body = B;
}

/// Answers with the user, or with what the layer found in place of a session.
pub(crate) async fn show_user(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let extensions = request.extensions();
    let current = extensions.get::<CurrentSession>().map(|it| it.user().as_str().to_owned());
    let ended = extensions.get::<EndedSession>().map(|it| format!("ended: {}", it.reason));
    let unreadable = extensions.get::<UnreadableSession>().map(|_| "unreadable".to_owned());
    let mut found = [current, ended, unreadable].into_iter().flatten();
    let text = found.next().unwrap_or_else(|| "anonymous".to_owned());
    assert_eq!(found.next(), None, "beside {text}");
    Ok(Response::new(Full::from(text)))
}

pub(crate) fn cookie(secret: &SessionSecret) -> String {
    format!("__Host-session={}", secret.expose())
}

pub(crate) fn request(cookies: &[&str]) -> Request<Body> {
    let request = Request::get("/");
    let with = |request: http::request::Builder, cookie: &&str| request.header(COOKIE, *cookie);
    cookies.iter().fold(request, with).body(Body::default()).unwrap()
}

/// A response with its whole body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    pub(crate) set_cookie: Vec<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) headers: http::HeaderMap,
}

impl Answer {
    pub(crate) async fn of<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Error: std::fmt::Debug>,
    {
        let (parts, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        let text_of = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
        Self {
            status: parts.status,
            text: String::from_utf8(text.to_vec()).unwrap(),
            set_cookie: parts.headers.get_all(SET_COOKIE).iter().map(text_of).collect(),
            cache_control: parts.headers.get(CACHE_CONTROL).map(text_of),
            headers: parts.headers,
        }
    }

    /// Returns whether the cookie stays as it is.
    pub(crate) fn keeps_cookie(&self) -> bool {
        self.set_cookie.is_empty()
    }

    /// Returns whether the cookie is cleared and the response is not stored (C7).
    pub(crate) fn clears_cookie(&self) -> bool {
        self.cache_control.as_deref() == Some("no-store")
            && matches!(&self.set_cookie[..], [one] if is_removal(one))
    }

    /// Returns the new cookie, whose response must not be stored (C7).
    pub(crate) fn new_cookie(&self) -> String {
        assert_eq!(self.cache_control.as_deref(), Some("no-store"));
        assert_eq!(self.set_cookie.len(), 1, "{:?}", self.set_cookie);
        let pair = self.set_cookie[0].split(';').next().unwrap();
        assert!(!pair.ends_with('='), "a removal: {:?}", self.set_cookie);
        pair.to_owned()
    }

    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn reason(&self) -> String {
        assert_eq!(self.status, StatusCode::UNAUTHORIZED);
        self.problem()["reason"].as_str().unwrap().to_owned()
    }
}

fn is_removal(set_cookie: &str) -> bool {
    let mut parts = set_cookie.split("; ");
    parts.next().is_some_and(|pair| pair.ends_with('=')) && set_cookie.contains("Max-Age=0")
}

pub(crate) async fn send(service: &impl SiteService, cookies: &[&str]) -> Answer {
    let response = service.clone().oneshot(request(cookies)).await.unwrap();
    Answer::of(response).await
}

/// Lets background tasks run until the condition holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the condition never held");
}

/// Spawns a task that sends a request.
pub(crate) fn spawn(
    service: &(impl SiteService + 'static),
    cookie: &str,
) -> tokio::task::JoinHandle<Answer> {
    let (service, cookie) = (service.clone(), cookie.to_owned());
    tokio::spawn(async move { send(&service, &[&cookie]).await })
}

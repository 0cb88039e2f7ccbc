//! The application, its provider and its database.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{Request, Response, StatusCode};
use identity_provider::{IdentityProvider, RunningProvider};
use reqwest::header::LOCATION;
use session_core::clock::Clock as _;
use session_core::manager::{SignIn, SignedIn, StartError};
use session_core::provider::openid::{AuthorizationOptions, Callback, OpenIdProvider};
use session_core::session::SessionSecret;
use session_core::store::SessionLookup as _;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::{FakeClock, sample};
use session_core::token::{SealContext, SealedPart};
use session_core::{Keyring, SessionManager, SessionPolicy, TokenSet};
use session_tests::database::{Database, Kind, Link};
use session_tower::{CurrentSession, PresentedCookie, SessionLayer};
use tokio::net::TcpListener;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::logged::Log;
use crate::secrets::Secrets;

const CALLBACK: &str = "http://127.0.0.1:9/callback";
const CLIENT_SECRET: &str = "devices-secret";
const FORGED_CODE: &str = "a-code-that-nobody-gave";

pub(crate) struct Setting {
    pub(crate) log: Log,
    pub(crate) secrets: Secrets,
    pub(crate) clock: FakeClock,
    pub(crate) idp: RunningProvider,
    pub(crate) provider: Arc<OpenIdProvider>,
    pub(crate) link: Link,
    pub(crate) store: SeaOrmStore,
    pub(crate) manager: SessionManager,
    pub(crate) key: String,
    pub(crate) devices: Vec<SignedIn>,
    layer: SessionLayer,
    _database: Database,
}

impl Setting {
    pub(crate) async fn new(log: Log) -> Self {
        let clock = FakeClock::new();
        let time = clock.clone();
        let idp = IdentityProvider::builder()
            .clock(move || time.now().as_millis())
            .auto_login(true)
            .configure(|settings| {
                let tenant = "tenant-of-the-token-response".into();
                settings.extra_token_fields.insert("tenant".to_owned(), tenant);
            })
            .build()
            .unwrap();
        let idp = idp.spawn(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
        let provider = OpenIdProvider::builder(idp.issuer().as_str(), "devices", http())
            .dangerous_insecure_loopback()
            .with_client_secret(CLIENT_SECRET.to_owned().into())
            .with_clock(Arc::new(clock.clone()))
            // This provider binds nothing: the keys are there, and are sealed with the tokens.
            .prefer_dpop()
            .discover()
            .await;
        let provider = Arc::new(provider.unwrap());
        let database = Database::migrated(Kind::Sqlite).await;
        let link = database.link().await;
        let store = pool(&link).await;
        let key = Keyring::generate_entry("2026").unwrap().to_string();
        let manager = started(&store, &clock, &provider, &key).await.unwrap();
        let layer = SessionLayer::new(manager.clone());
        let mut secrets = Secrets::default();
        secrets.add("the client's secret", CLIENT_SECRET);
        secrets.add("a forged code", FORGED_CODE);
        secrets.add("a sealing key", key.split_once(':').unwrap().1);
        Self {
            log,
            secrets,
            clock,
            idp,
            provider,
            link,
            store,
            manager,
            key,
            devices: Vec::new(),
            layer,
            _database: database,
        }
    }

    /// Another start on the same database.
    pub(crate) async fn starts_with(&self, key: &str) -> Result<SessionManager, StartError> {
        started(&self.store, &self.clock, &self.provider, key).await
    }

    /// One more device signs in, from the redirect to the provider to the cookie.
    pub(crate) async fn sign_in(&mut self, person: &str) {
        let options = AuthorizationOptions::new(CALLBACK).with_scope("profile");
        let request = self.provider.authorization_request(options.with_login_hint(person)).await;
        let request = request.unwrap();
        self.log.show(&request.pending);
        let kept = serde_json::to_value(&request.pending).unwrap();
        for field in ["state", "nonce", "verifier"] {
            self.secrets.add("a part of the sign-in", kept[field].as_str().unwrap());
        }
        let (query, code) = comes_back(&request.url).await;
        let forged = Callback::from_query(&query.replace(&code, FORGED_CODE));
        let refused = self.provider.complete(request.pending.clone(), forged).await;
        self.log.error(refused.unwrap_err());
        self.secrets.add("an authorization code", &code);
        let callback = Callback::from_query(&query);
        self.log.show(&callback);
        let outcome = self.provider.complete(request.pending, callback).await.unwrap();
        self.log.show(&outcome);
        let sign_in = SignIn::new(&sample::user(person), &sample::provider("okta"), outcome.tokens)
            .identity(outcome.identity);
        self.log.show(&sign_in);
        let device = self.manager.sign_in(sign_in).await.unwrap();
        self.log.show(&device);
        self.secrets.add_secret(&device.secret);
        self.devices.push(device);
        self.note_tokens().await;
    }

    /// Records every token in the database.
    pub(crate) async fn note_tokens(&mut self) {
        let keyring = Keyring::parse(&self.key).unwrap();
        for device in &self.devices {
            let row = self.store.find(device.session.id).await.unwrap().unwrap();
            self.log.show(&row);
            let (Some(sealed), session) = (&row.tokens, &row.session) else { continue };
            let (id, user, provider) = (session.id, &session.user, &session.provider);
            let Ok(tokens) = TokenSet::open(sealed, &keyring, id, user, provider) else { continue };
            self.log.show(&tokens);
            self.secrets.add_tokens(&tokens);
            // Only what is sealed shows a key.
            let context = SealContext { session: id, user, provider, part: SealedPart::Tokens };
            let plain = keyring.open(context, &sealed.tokens).unwrap();
            let plain: serde_json::Value = serde_json::from_slice(&plain).unwrap();
            for field in ["dpop_key", "refresh_key"] {
                self.secrets.add("a key of DPoP", plain[field].as_str().unwrap());
            }
        }
    }

    /// The refresh token of a device, as an echo in a provider's answer has it.
    pub(crate) async fn refresh_token(&self, device: usize) -> String {
        let row = self.store.find(self.devices[device].session.id).await.unwrap().unwrap();
        let keyring = Keyring::parse(&self.key).unwrap();
        let (sealed, session) = (row.tokens.unwrap(), row.session);
        let tokens =
            TokenSet::open(&sealed, &keyring, session.id, &session.user, &session.provider);
        tokens.unwrap().refresh_token().unwrap().to_owned()
    }

    /// Asks for a device's access token, and shows what comes of it.
    pub(crate) async fn asks_for_token(&mut self, device: usize) -> bool {
        match self
            .manager
            .access_token(&self.devices[device].session.user, self.devices[device].session.id)
            .await
        {
            Ok(tokens) => {
                self.log.show(&tokens);
                self.note_tokens().await;
                true
            }
            Err(error) => {
                self.log.error(error);
                false
            }
        }
    }

    /// A request through the layer; all that the handler sees is shown, and so is the answer.
    pub(crate) async fn request(&self, values: &[&str]) -> StatusCode {
        let log = self.log.clone();
        let handler = service_fn(move |request: Request<Body>| {
            let current = request.extensions().get::<CurrentSession>();
            log.show(&(current, PresentedCookie::of(request.extensions())));
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        });
        let service = self.layer.clone().require_session().layer(handler);
        self.log.show(&service);
        let pairs: Vec<_> = values.iter().map(|value| format!("__Host-session={value}")).collect();
        let request = Request::get("/").header(COOKIE, pairs.join("; ")).body(Body::empty());
        let response = service.oneshot(request.unwrap()).await.unwrap();
        self.log.show(&response);
        response.status()
    }

    pub(crate) async fn request_of(&self, secret: &SessionSecret) -> StatusCode {
        self.request(&[secret.expose()]).await
    }

    /// Lets every access token expire, and every pause of the provider be over.
    pub(crate) fn later(&self) {
        self.clock.advance(Duration::from_secs(301));
    }
}

async fn started(
    store: &SeaOrmStore,
    clock: &FakeClock,
    provider: &Arc<OpenIdProvider>,
    key: &str,
) -> Result<SessionManager, StartError> {
    let policy = SessionPolicy::builder().max_sessions(3).max_staleness(Duration::ZERO);
    SessionManager::builder(store.clone())
        .policy(policy.build().unwrap())
        .keyring(Keyring::parse(key).unwrap())
        .clock(clock.clone())
        .provider("*", provider.clone())
        .start()
        .await
}

/// Returns options that log every statement and report an outage soon.
async fn pool(link: &Link) -> SeaOrmStore {
    let pool = link.connect_with(|options| {
        options.max_connections(4).test_before_acquire(false).sqlx_logging(true);
        options.acquire_timeout(Duration::from_millis(500));
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(Duration::from_millis(100)));
    });
    SeaOrmStore::new(pool.await)
}

fn http() -> reqwest::Client {
    let redirect = reqwest::redirect::Policy::none();
    reqwest::Client::builder().redirect(redirect).no_proxy().build().unwrap()
}

/// The query that the browser comes back with from the provider, and the code in it.
async fn comes_back(url: &str) -> (String, String) {
    let response = http().get(url).send().await.unwrap();
    let location = response.headers().get(LOCATION).unwrap().to_str().unwrap();
    let url = reqwest::Url::parse(location).unwrap();
    let (_, code) = url.query_pairs().find(|(name, _)| name == "code").unwrap();
    (url.query().unwrap().to_owned(), code.into_owned())
}

//! The application that runs, with its provider, its tool servers and its browsers.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use identity_provider::{Client, IdentityProvider, RunningProvider};
use mcp_tools::{App, tool_server};
use reqwest::header::{ACCEPT, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Response, Url};
use serde_json::Value;
use session_core::clock::Clock as _;
use session_core::policy::Rule;
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::provider::tool_server::{RegisteredClient, ToolServer};
use session_core::session::Origin;
use session_core::store::memory::MemoryStore;
use session_core::testing::FakeClock;
use session_core::{Keyring, ProviderName, Session, SessionManager, SessionPolicy, UserId};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;

/// How long an access token is valid, by the clock of the test.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(300);

pub(crate) struct Site {
    pub(crate) address: String,
    pub(crate) clock: FakeClock,
    pub(crate) provider: RunningProvider,
    pub(crate) sessions: SessionManager,
    tools: Vec<RunningTools>,
}

/// A tool server, and what the test sees of its requests.
struct RunningTools {
    name: &'static str,
    url: String,
    seen: Seen,
}

#[derive(Clone, Default)]
struct Seen {
    tokens: Arc<Mutex<HashSet<String>>>,
    rejects_next_call: Arc<AtomicBool>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let clock = FakeClock::new();
        let (listener, address) = listen().await;
        let provider = provider(&address, &clock);
        let provider = provider.spawn(listen().await.0).unwrap();
        let issuer = provider.issuer().as_str();
        let http = reqwest13::Client::builder().no_proxy().build().unwrap();
        let mut tools = Vec::new();
        for name in ["files", "mail"] {
            tools.push(RunningTools::start(name, issuer, http.clone()).await);
        }
        let server = |one: &RunningTools| {
            let name = ProviderName::new(format!("mcp:{}", one.name)).unwrap();
            (name, Arc::new(tool_server_of(one, &address, issuer, &clock)))
        };
        let servers: Vec<_> = tools.iter().map(server).collect();
        let openid = Arc::new(openid(issuer, &clock));
        let tools_rule = Rule::for_provider("mcp:*").replace().without_idle_timeout();
        let builder = SessionManager::builder(MemoryStore::new())
            .policy(SessionPolicy::builder().rule(tools_rule).build().unwrap())
            .keyring(Keyring::parse(&Keyring::generate_entry("test").unwrap()).unwrap())
            .clock(clock.clone())
            .provider("okta", Arc::clone(&openid));
        let builder = servers.iter().fold(builder, |builder, (name, server)| {
            builder.provider(name.as_str(), Arc::clone(server))
        });
        let sessions = builder.start().await.unwrap();
        let sign_in = OpenIdSignIn::builder(sessions.clone(), &address)
            .dev(listener.local_addr().unwrap())
            .provider(ProviderName::new("okta").unwrap(), openid)
            .keep_signed_in_at_provider()
            .build()
            .unwrap();
        let app = App { sessions: sessions.clone(), sign_in, servers, http };
        let router = app.router().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, clock, provider, sessions, tools }
    }

    /// A browser in which Ann has signed in.
    pub(crate) async fn browser(&self) -> Browser {
        self.browser_of("ann").await
    }

    pub(crate) async fn browser_of(&self, user: &str) -> Browser {
        let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none());
        let http = http.no_proxy().build().unwrap();
        let browser = Browser { http, address: self.address.clone(), user: user.to_owned() };
        let response = browser.open("/login").await;
        let home = browser.follow(response).await;
        assert_eq!(home.status(), StatusCode::OK);
        browser
    }

    fn of(&self, name: &str) -> &RunningTools {
        self.tools.iter().find(|one| one.name == name).unwrap()
    }

    pub(crate) fn url_of(&self, name: &str) -> &str {
        &self.of(name).url
    }

    /// The access tokens that a tool server was sent.
    pub(crate) fn tokens_at(&self, name: &str) -> HashSet<String> {
        self.of(name).seen.tokens.lock().unwrap().clone()
    }

    pub(crate) fn reject_next_call(&self, name: &str) {
        self.of(name).seen.rejects_next_call.store(true, Ordering::SeqCst);
    }

    pub(crate) async fn connections(&self, user: &str) -> Vec<Session> {
        let listed = self.sessions.list(&UserId::new(user).unwrap(), None).await.unwrap();
        let sessions = listed.into_iter().map(|one| one.session);
        sessions.filter(|session| session.origin == Origin::Connection).collect()
    }
}

/// A browser with its own cookies.
pub(crate) struct Browser {
    pub(crate) http: reqwest::Client,
    address: String,
    user: String,
}

impl Browser {
    async fn open(&self, to: &str) -> Response {
        let mut url = Url::parse(&self.address).unwrap().join(to).unwrap();
        if url.path() == "/authorize" {
            // The user types a name into the provider's form.
            url.query_pairs_mut().append_pair("login_hint", &self.user);
        }
        self.http.get(url).header(ACCEPT, "text/html").send().await.unwrap()
    }

    async fn follow(&self, mut response: Response) -> Response {
        while response.status().is_redirection() {
            let location = response.headers()[LOCATION].to_str().unwrap().to_owned();
            response = self.open(&location).await;
        }
        response
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.http.post(format!("{}{path}", self.address)).form(form);
        request.header(ACCEPT, "text/html").send().await.unwrap()
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        self.open(path).await.error_for_status().unwrap().text().await.unwrap()
    }

    pub(crate) async fn connect(&self, server: &str) {
        let name = format!("mcp:{server}");
        let begun = self.post("/tools/connect", &[("server", &name), ("return_to", "/")]).await;
        let page = self.follow(begun).await;
        let (status, text) = (page.status(), page.text().await.unwrap());
        assert!(status == 200 && text.contains(&format!("/tools/{server}/read")), "{text}");
    }

    pub(crate) async fn tools(&self, server: &str) -> Value {
        let listed = self.http.get(format!("{}/tools/{server}", self.address)).send().await;
        listed.unwrap().json::<Value>().await.unwrap()["tools"].take()
    }

    /// Calls the tool of a server, and returns the status with the text or the error.
    pub(crate) async fn read(&self, server: &str) -> (u16, Value) {
        let call = self.http.post(format!("{}/tools/{server}/read", self.address)).send().await;
        let response = call.unwrap();
        let status = response.status().as_u16();
        let mut body: Value = response.json().await.unwrap();
        (status, body[if status == 200 { "text" } else { "error" }].take())
    }

    pub(crate) async fn end(&self, session: &str) {
        assert!(self.post("/devices", &[("end", session)]).await.status().is_redirection());
    }

    pub(crate) async fn sign_out(&self) {
        assert!(self.post("/logout", &[]).await.status().is_redirection());
    }
}

impl RunningTools {
    async fn start(name: &'static str, issuer: &str, http: reqwest13::Client) -> Self {
        let (listener, origin) = listen().await;
        let (url, seen) = (format!("{origin}/mcp"), Seen::default());
        let settings = tool_server::Settings {
            name: name.to_owned(),
            resource: url.clone(),
            issuer: issuer.to_owned(),
            credentials: ("tools".to_owned(), "tools-secret".to_owned()),
            http,
        };
        let router = seen.around(tool_server::router(settings));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { name, url, seen }
    }
}

impl Seen {
    /// Notes the tokens of requests, and rejects the call of a tool if that is asked for.
    fn around(&self, router: Router) -> Router {
        let seen = self.clone();
        router.layer(from_fn(move |request: Request, next: Next| {
            let seen = seen.clone();
            async move {
                if let Some(token) = request.headers().get(AUTHORIZATION) {
                    let token = token.to_str().unwrap().trim_start_matches("Bearer ").to_owned();
                    seen.tokens.lock().unwrap().insert(token);
                }
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let is_call = body.windows(10).any(|part| part == b"tools/call");
                if is_call && seen.rejects_next_call.swap(false, Ordering::SeqCst) {
                    let challenge = [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
                    return (StatusCode::UNAUTHORIZED, challenge).into_response();
                }
                next.run(Request::from_parts(head, Body::from(body))).await
            }
        }))
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

fn provider(address: &str, clock: &FakeClock) -> IdentityProvider {
    let app = Client::new("app").secret("app-secret").redirect_uri(format!("{address}/callback"));
    let connector = Client::new("connector")
        .secret("connector-secret")
        .redirect_uri(format!("{address}/tools/callback"));
    let clock = clock.clone();
    IdentityProvider::builder()
        .client(app)
        .client(connector)
        .client(Client::new("tools").secret("tools-secret"))
        .access_token_lifetime(TOKEN_LIFETIME)
        .auto_login(true)
        .clock(move || clock.now().as_millis())
        .build()
        .unwrap()
}

fn openid(issuer: &str, clock: &FakeClock) -> OpenIdProvider {
    OpenIdProvider::builder(issuer, "app", DefaultHttpClient::new().unwrap())
        .with_client_secret("app-secret".to_owned().into())
        .with_clock(Arc::new(clock.clone()))
        .dangerous_insecure_loopback()
        .build()
        .unwrap()
}

fn tool_server_of(
    one: &RunningTools,
    address: &str,
    issuer: &str,
    clock: &FakeClock,
) -> ToolServer {
    let client =
        RegisteredClient::new("connector").with_secret("connector-secret".to_owned().into());
    ToolServer::builder(&one.url, issuer, DefaultHttpClient::new().unwrap())
        .with_redirect_uri(format!("{address}/tools/callback"))
        .with_registration(client)
        .with_clock(Arc::new(clock.clone()))
        .dangerous_insecure_loopback()
        .build()
        .unwrap()
}

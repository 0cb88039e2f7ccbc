//! A gateway that runs, with its provider, its application and its browsers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::http::StatusCode;
use gateway::{Assertions, CALLBACK, Gateway, LOGIN};
use identity_provider::{Client, IdentityProvider, RunningProvider};
use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Url};
use secrecy::SecretSlice;
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::upstream;

/// What the application checks assertions with.
pub(crate) const SECRET: &str = "an assertion's secret of 32 bytes";

pub(crate) struct Site {
    pub(crate) address: String,
    pub(crate) upstream: String,
    pub(crate) provider: RunningProvider,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        let (listener, address) = listen("127.0.0.1:0").await;
        let (application, upstream) = listen("127.0.0.1:0").await;
        let provider = provider(&address).await;
        let gateway = gateway(&address, &upstream, &provider).await;
        let router = gateway.router().unwrap();
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let running = Mutex::new(Some(serve_upstream(application)));
        Self { address, upstream, provider, running }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    pub(crate) fn host(&self) -> &str {
        self.address.trim_start_matches("http://")
    }

    pub(crate) fn web_socket(&self) -> String {
        format!("ws://{}/socket", self.host())
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.host()).await.unwrap()
    }

    pub(crate) fn stranger(&self) -> reqwest::Client {
        reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap()
    }

    /// A browser in which Ann has signed in.
    pub(crate) async fn browser(&self) -> Browser {
        let jar = Arc::new(Jar::default());
        let http = reqwest::Client::builder().cookie_provider(Arc::clone(&jar)).no_proxy();
        let browser = Browser { http: http.build().unwrap(), jar };
        let login = self.url("/_gateway/login?login_hint=ann&return_to=%2Fpage");
        let answer = browser.get(login).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "/page");
        browser
    }

    pub(crate) async fn headers(&self, request: RequestBuilder) -> BTreeMap<String, String> {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub(crate) async fn sign_out(&self, browser: &Browser) {
        let answer = browser.post(self.url("/_gateway/logout")).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    pub(crate) async fn stop_upstream(&self) {
        let running = self.running.lock().await.take().unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn start_upstream(&self) {
        let (application, _) = listen(self.upstream.trim_start_matches("http://")).await;
        *self.running.lock().await = Some(serve_upstream(application));
    }
}

/// A browser, whose cookies can be read.
pub(crate) struct Browser {
    http: reqwest::Client,
    jar: Arc<Jar>,
}

impl Deref for Browser {
    type Target = reqwest::Client;

    fn deref(&self) -> &Self::Target {
        &self.http
    }
}

impl Browser {
    /// The `Cookie` header that it sends to this address.
    pub(crate) fn cookies(&self, url: &str) -> String {
        let cookies = self.jar.cookies(&Url::parse(url).unwrap()).unwrap();
        cookies.to_str().unwrap().to_owned()
    }
}

async fn listen(address: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

fn serve_upstream(listener: TcpListener) -> JoinHandle<()> {
    tokio::spawn(async move { axum::serve(listener, upstream::router()).await.unwrap() })
}

async fn provider(gateway: &str) -> RunningProvider {
    let client = Client::new("gateway")
        .secret("gateway-secret")
        .redirect_uri(format!("{gateway}{CALLBACK}"))
        .post_logout_redirect_uri(format!("{gateway}/"));
    let provider = IdentityProvider::builder().client(client).auto_login(true).build().unwrap();
    provider.spawn(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap()
}

async fn gateway(address: &str, upstream: &str, provider: &RunningProvider) -> Gateway {
    let http = DefaultHttpClient::new().unwrap();
    let openid = OpenIdProvider::builder(provider.issuer().as_str(), "gateway", http)
        .dangerous_insecure_loopback()
        .with_client_secret("gateway-secret".to_owned().into())
        .build()
        .unwrap();
    let openid = Arc::new(openid);
    let keyring = Keyring::parse(&Keyring::generate_entry("test").unwrap()).unwrap();
    let sessions = SessionManager::builder(MemoryStore::new())
        .keyring(keyring)
        .provider("id", Arc::clone(&openid))
        .start()
        .await
        .unwrap();
    let sign_in = OpenIdSignIn::builder(sessions.clone(), address)
        .provider(ProviderName::new("id").unwrap(), openid)
        .login_path(LOGIN)
        .dev(address.trim_start_matches("http://").parse().unwrap())
        .callback_path(CALLBACK)
        .keep_signed_in_at_provider()
        .build()
        .unwrap();
    let secret = SecretSlice::from(SECRET.as_bytes().to_vec());
    Gateway {
        sessions,
        sign_in,
        upstream: upstream.parse().unwrap(),
        assertions: Assertions::new(address, upstream, secret).unwrap(),
    }
}

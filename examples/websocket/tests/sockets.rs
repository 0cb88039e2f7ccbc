//! Two devices of one user, each with a socket.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::{SinkExt as _, StreamExt as _};
use identity_provider::{Client, IdentityProvider, RunningProvider};
use reqwest::cookie::{CookieStore as _, Jar};
use reqwest::header::{ACCEPT, COOKIE, ORIGIN};
use session_core::clock::Clock as _;
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::testing::FakeClock;
use session_core::{Keyring, ProviderName, SessionManager, SessionPolicy, UserId};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use websocket::{App, SESSION_ENDED};

const IDLE: Duration = Duration::from_secs(600);

struct Site {
    address: String,
    clock: FakeClock,
    sessions: SessionManager,
    _idp: RunningProvider,
}

impl Site {
    async fn new() -> Self {
        let clock = FakeClock::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::new("app").secret("app-secret");
        let client = client.redirect_uri(format!("{address}/callback"));
        let now = clock.clone();
        let idp = IdentityProvider::builder().client(client).auto_login(true);
        let idp = idp.clock(move || now.now().as_millis()).build().unwrap();
        let idp = idp.spawn(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
        let http = DefaultHttpClient::new().unwrap();
        let okta = OpenIdProvider::builder(idp.issuer().as_str(), "app", http)
            .with_client_secret("app-secret".to_owned().into())
            .with_clock(Arc::new(clock.clone()))
            .dangerous_insecure_loopback();
        let okta = Arc::new(okta.build().unwrap());
        let sessions = SessionManager::builder(MemoryStore::new())
            .policy(SessionPolicy::builder().idle_timeout(IDLE).build().unwrap())
            .keyring(Keyring::parse(&Keyring::generate_entry("test").unwrap()).unwrap())
            .clock(clock.clone())
            .provider("okta", Arc::clone(&okta))
            .start()
            .await
            .unwrap();
        let sign_in = OpenIdSignIn::builder(sessions.clone(), &address)
            .dev(listener.local_addr().unwrap())
            .provider(ProviderName::new("okta").unwrap(), okta)
            .build()
            .unwrap();
        let (room, _) = broadcast::channel(64);
        let origin = address.clone();
        let app = App { sessions: sessions.clone(), sign_in, origin, room };
        tokio::spawn(async move { axum::serve(listener, app.router()).await.unwrap() });
        Self { address, clock, sessions, _idp: idp }
    }

    /// A browser in which Ann has signed in.
    async fn browser(&self) -> Browser {
        let jar = Arc::new(Jar::default());
        let http = reqwest::Client::builder().cookie_provider(Arc::clone(&jar)).no_proxy();
        let browser = Browser { http: http.build().unwrap(), jar, address: self.address.clone() };
        let login = browser.http.get(format!("{}/login?login_hint=ann", self.address));
        assert_eq!(login.send().await.unwrap().status(), StatusCode::OK);
        browser
    }
}

struct Browser {
    http: reqwest::Client,
    jar: Arc<Jar>,
    address: String,
}

type Socket = WebSocketStream<TcpStream>;

impl Browser {
    async fn socket(&self) -> Socket {
        self.socket_of_page_at(Some(&self.address)).await.unwrap()
    }

    /// Opens a socket for a page of this origin; returns the status if that is refused.
    async fn socket_of_page_at(&self, origin: Option<&str>) -> Result<Socket, StatusCode> {
        let host = self.address.trim_start_matches("http://");
        let mut request = format!("ws://{host}/chat").into_client_request().unwrap();
        let cookies = self.jar.cookies(&self.address.parse().unwrap());
        if let Some(cookies) = cookies {
            request.headers_mut().insert(COOKIE, cookies);
        }
        if let Some(origin) = origin {
            request.headers_mut().insert(ORIGIN, origin.parse().unwrap());
        }
        let stream = TcpStream::connect(host).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Ends all other devices, by the button of the page.
    async fn end_others(&self) {
        let page = self.http.get(format!("{}/devices", self.address)).header(ACCEPT, "text/html");
        let page = page.send().await.unwrap().text().await.unwrap();
        let other = page.split(r#"name="end" value=""#).nth(1).unwrap();
        let form = [("end", other.split_once('"').unwrap().0)];
        let end = self.http.post(format!("{}/devices", self.address)).form(&form);
        assert_eq!(end.send().await.unwrap().status(), StatusCode::OK);
    }
}

async fn hears(socket: &mut Socket) -> String {
    match socket.next().await.unwrap().unwrap() {
        Message::Text(text) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn is_closed(mut socket: Socket, reason: &str) {
    let close = CloseFrame { code: SESSION_ENDED.into(), reason: reason.into() };
    let mut received = socket.next().await.unwrap().unwrap();
    while received.is_text() {
        received = socket.next().await.unwrap().unwrap();
    }
    assert_eq!(received, Message::Close(Some(close)));
    assert!(socket.next().await.is_none_or(|rest| rest.is_err()), "the connection is closed");
}

#[tokio::test]
async fn a_device_that_is_ended_on_the_page_loses_its_socket_and_the_other_stays() {
    let site = Site::new().await;
    let (laptop, phone) = (site.browser().await, site.browser().await);
    let (mut here, mut there) = (laptop.socket().await, phone.socket().await);
    there.send("hello".into()).await.unwrap();
    assert_eq!((&*hears(&mut here).await, &*hears(&mut there).await), ("ann: hello", "ann: hello"));
    laptop.end_others().await;
    is_closed(there, "revoked_by_user").await;
    here.send("alone".into()).await.unwrap();
    assert_eq!(hears(&mut here).await, "ann: alone");
    assert_eq!(phone.socket_of_page_at(Some(&site.address)).await.unwrap_err(), 401);
}

#[tokio::test]
async fn messages_count_as_use_and_an_open_socket_does_not() {
    let site = Site::new().await;
    let (laptop, phone) = (site.browser().await, site.browser().await);
    let (mut talking, silent) = (laptop.socket().await, phone.socket().await);
    for _ in 0..2 {
        site.clock.advance(IDLE - Duration::from_secs(60));
        talking.send("still here".into()).await.unwrap();
        assert_eq!(hears(&mut talking).await, "ann: still here");
    }
    is_closed(silent, "idle").await;
    let ann = UserId::new("ann").unwrap();
    assert_eq!(site.sessions.list(&ann, None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn only_a_page_of_this_origin_gets_a_socket_and_only_with_a_session() {
    let site = Site::new().await;
    let browser = site.browser().await;
    let elsewhere = browser.socket_of_page_at(Some("https://evil.example"));
    assert_eq!(elsewhere.await.unwrap_err(), StatusCode::FORBIDDEN);
    assert_eq!(browser.socket_of_page_at(None).await.unwrap_err(), StatusCode::FORBIDDEN);
    let stranger = Browser { jar: Arc::default(), ..site.browser().await };
    let refused = stranger.socket_of_page_at(Some(&site.address)).await;
    assert_eq!(refused.unwrap_err(), StatusCode::UNAUTHORIZED);
}

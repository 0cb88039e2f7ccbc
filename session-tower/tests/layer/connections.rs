//! Connections that stay open: HTTP/2, streamed bodies and web sockets.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http::header::COOKIE;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use session_tower::{CurrentSession, UntilEnded};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::site::{Answer, Site, cookie, until};

async fn user(current: Option<CurrentSession>) -> String {
    current.map_or("anonymous".to_owned(), |current| current.user().to_string())
}

/// Streams until the session ends.
async fn events(current: CurrentSession) -> Response {
    let first = Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::from("open ")));
    let events = futures_util::stream::iter([first]).chain(futures_util::stream::pending());
    let body = UntilEnded::new(StreamBody::new(events), current.ended());
    Response::new(axum::body::Body::new(body))
}

/// Echoes, and says good-bye when the session ends; each message is a use of the session.
async fn echo(
    State(site): State<Arc<Site>>,
    current: CurrentSession,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(|socket| async move {
        let (mut sender, receiver) = socket.split();
        let mut messages = UntilEnded::new(receiver, current.ended());
        while let Some(Ok(message)) = messages.next().await {
            current.touch(&site.manager);
            sender.send(message).await.unwrap();
        }
        let reason = messages.reason().map_or("gone", |reason| reason.as_str());
        // The client may be gone already.
        let _ = sender.send(Message::from(reason)).await;
    })
}

/// Serves the site on loopback, and returns its address.
async fn serve(site: &Arc<Site>) -> std::net::SocketAddr {
    let router = Router::new()
        .route("/", get(user))
        .route("/events", get(events))
        .route("/echo", get(echo))
        .with_state(Arc::clone(site))
        .layer(site.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

type Client = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn http2(address: std::net::SocketAddr) -> Client {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    client
}

async fn web_socket(site: &Arc<Site>, cookie: &str) -> WebSocketStream<TcpStream> {
    let address = serve(site).await;
    let mut request = format!("ws://{address}/echo").into_client_request().unwrap();
    request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    tokio_tungstenite::client_async(request, stream).await.unwrap().0
}

fn get_with(path: &str, cookies: &[&str]) -> Request<Full<Bytes>> {
    let request = Request::get(format!("http://localhost{path}"));
    let with = |request: http::request::Builder, cookie: &&str| request.header(COOKIE, *cookie);
    cookies.iter().fold(request, with).body(Full::default()).unwrap()
}

#[tokio::test]
async fn http2_sends_each_cookie_in_a_header_of_its_own() {
    let site = Arc::new(Site::new().await);
    let ann = cookie(&site.sign_in("ann").await.secret);
    let client = http2(serve(&site).await).await;
    // RFC 9113, section 8.2.3. Fifty streams of one connection at once.
    let requests = (0..50).map(|_| {
        let (mut client, request) = (client.clone(), get_with("/", &["theme=dark", &ann, "a=b"]));
        async move { Answer::of(client.send_request(request).await.unwrap()).await.text }
    });
    for text in futures_util::future::join_all(requests).await {
        assert_eq!(text, "ann");
    }
    let mut client = client;
    let answer = client.send_request(get_with("/", &["__Host-session=junk"])).await.unwrap();
    assert!(Answer::of(answer).await.clears_cookie());
}

#[tokio::test]
async fn a_streamed_body_ends_with_the_session_and_the_connection_stays() {
    let site = Arc::new(Site::new().await);
    let ann = site.sign_in("ann").await;
    let (bob, ann_cookie) = (site.sign_in("bob").await, cookie(&ann.secret));
    let mut client = http2(serve(&site).await).await;
    let response = client.send_request(get_with("/events", &[&ann_cookie])).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "open ");
    assert!(site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap());
    let rest = within_a_minute(body.collect()).await.unwrap().to_bytes();
    assert!(rest.is_empty(), "the stream is over, without an error");
    let answer = client.send_request(get_with("/", &[&cookie(&bob.secret)])).await.unwrap();
    assert_eq!(Answer::of(answer).await.text, "bob");
}

#[tokio::test]
async fn a_web_socket_ends_with_the_session_and_its_messages_are_a_use() {
    let idle = Duration::from_secs(600);
    let site = Arc::new(Site::with_policy(|policy| policy.idle_timeout(idle)).await);
    let ann = site.sign_in("ann").await;
    let mut socket = web_socket(&site, &cookie(&ann.secret)).await;
    for _ in 0..4 {
        // Two idle timeouts pass, and the session lives by the messages alone.
        site.advance(300);
        socket.send("hello".into()).await.unwrap();
        let echoed = within_a_minute(socket.next()).await.unwrap().unwrap();
        assert_eq!(echoed.into_text().unwrap(), "hello");
    }
    assert!(site.manager.sign_out(&ann.session.user, ann.session.id).await.unwrap());
    let farewell = within_a_minute(socket.next()).await.unwrap().unwrap();
    assert_eq!(farewell.into_text().unwrap(), "signed_out");
}

#[tokio::test]
async fn an_idle_web_socket_is_no_activity() {
    let idle = Duration::from_secs(60);
    let site = Arc::new(Site::with_policy(|policy| policy.idle_timeout(idle)).await);
    let ann = site.sign_in("ann").await;
    let mut socket = web_socket(&site, &cookie(&ann.secret)).await;
    socket.send("hello".into()).await.unwrap();
    within_a_minute(socket.next()).await.unwrap().unwrap();
    let farewell = tokio::spawn(async move { socket.next().await.unwrap().unwrap() });
    for _ in 0..20 {
        site.advance(5);
        tokio::task::yield_now().await;
    }
    until(|| {
        site.clock.advance(Duration::from_millis(10));
        farewell.is_finished()
    })
    .await;
    assert_eq!(farewell.await.unwrap().into_text().unwrap(), "idle");
}

/// Fails instead of waiting for ever.
async fn within_a_minute<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
}

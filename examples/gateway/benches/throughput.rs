//! Requests a second through the gateway and through a bare reverse proxy of the same stack, in turns:
//!
//!     cargo bench -p gateway
//!
//! The gateway resolves the cookie, strips it, attaches the access token, signs who the user is, and
//! watches for the end of the session; the bare proxy does none of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a bench measures real time, prints, and fails by panicking"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use axum::routing::get;
use gateway::{Assertions, CALLBACK, Gateway, LOGIN};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::SecretSlice;
use session_core::manager::SignIn;
use session_core::provider::openid::{DefaultHttpClient, OpenIdProvider};
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager, TokenResponse, UserId};
use session_tower::sign_in::OpenIdSignIn;
use tokio::net::TcpListener;

/// How many clients ask at a time.
const CLIENTS: usize = 32;

const ROUNDS: usize = 10;

type Http = Client<HttpConnector, Body>;

fn main() {
    // `cargo test --benches` runs this as a smoke test.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let round = Duration::from_millis(if is_bench { 1500 } else { 50 });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(compare(round));
}

async fn compare(round: Duration) {
    let upstream =
        serve(Router::new().fallback(get(|| async { "a page of the application" }))).await;
    let bare = serve(bare_proxy(&upstream)).await;
    let (gateway, cookie) = gateway(&upstream).await;
    let mut ratios = Vec::new();
    for at in 0..ROUNDS {
        // Whatever the machine does meanwhile slows each of them in turn.
        let [first, second] = if at % 2 == 0 { [&bare, &gateway] } else { [&gateway, &bare] };
        let rates = [rate(first, &cookie, round).await, rate(second, &cookie, round).await];
        let [bare, gateway] = if at % 2 == 0 { rates } else { [rates[1], rates[0]] };
        println!("bare {bare:>7.0}/s  gateway {gateway:>7.0}/s  ratio {:.2}", gateway / bare);
        ratios.push(gateway / bare);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median of the ratios: {:.2}", ratios.get(ROUNDS / 2).unwrap());
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

fn bare_proxy(upstream: &str) -> Router {
    let (http, upstream) = (http(), upstream.to_owned());
    Router::new().fallback(move |mut request: Request<Body>| {
        let (http, upstream) = (http.clone(), upstream.clone());
        async move {
            let path = request.uri().path_and_query().unwrap();
            *request.uri_mut() = format!("{upstream}{path}").parse::<Uri>().unwrap();
            http.request(request).await.unwrap().map(Body::new)
        }
    })
}

async fn gateway(upstream: &str) -> (String, HeaderValue) {
    let client = DefaultHttpClient::new().unwrap();
    let openid = OpenIdProvider::builder("https://id.example", "gateway", client).build().unwrap();
    let keyring = Keyring::parse(&Keyring::generate_entry("bench").unwrap()).unwrap();
    let sessions =
        SessionManager::builder(MemoryStore::new()).keyring(keyring).start().await.unwrap();
    let (user, name) = (UserId::new("ann").unwrap(), ProviderName::new("id").unwrap());
    let response = TokenResponse::bearer("a".repeat(900));
    let signed_in = sessions.sign_in(SignIn::new(&user, &name, response)).await.unwrap();
    let public = "http://127.0.0.1:1";
    let sign_in = OpenIdSignIn::builder(sessions.clone(), public).provider(name, Arc::new(openid));
    let gateway = Gateway {
        sessions,
        sign_in: sign_in
            .dev(([127, 0, 0, 1], 1).into())
            .login_path(LOGIN)
            .callback_path(CALLBACK)
            .build()
            .unwrap(),
        upstream: upstream.parse().unwrap(),
        assertions: Assertions::new(public, upstream, SecretSlice::from(vec![7; 32])).unwrap(),
    };
    let cookie = format!("session={}", signed_in.secret.expose());
    (serve(gateway.router().unwrap()).await, cookie.parse().unwrap())
}

/// Returns the requests a second that all clients together get answered.
async fn rate(address: &str, cookie: &HeaderValue, during: Duration) -> f64 {
    let (http, answered) = (http(), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(|_| {
        let (http, answered, uri) =
            (http.clone(), Arc::clone(&answered), format!("{address}/a/page"));
        let cookie = cookie.clone();
        tokio::spawn(async move {
            while begun.elapsed() < during {
                let request =
                    Request::get(&uri).header(COOKIE, &cookie).body(Body::empty()).unwrap();
                let answer = http.request(request).await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK);
                answer.into_body().collect().await.unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    answered.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

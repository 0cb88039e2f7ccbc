//! Requests over HTTP that find their session in the cache, compared with an application without the
//! layer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use axum::Router;
use axum::routing::get;
use session_core::manager::SignIn;
use session_core::store::memory::MemoryStore;
use session_core::testing::sample;
use session_core::{SessionManager, SessionPolicy};
use session_tests::manager::keyring;
use session_tower::{CurrentSession, SessionLayer};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::{median, ratio};

/// How many requests a round has.
const REQUESTS: usize = 5_000;

/// An application, and a connection to it that is kept open.
struct Application {
    connection: TcpStream,
    nanos: Vec<f64>,
}

/// Prints a line for one session, and one for so many: requests per second as a ratio to those of the bare
/// application, the median of all rounds.
pub(crate) fn print(sessions: usize, rounds: usize) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (manager, secrets) = runtime.block_on(signed_in(sessions));
    let bare = Router::new().route("/", get(async || "hello, user-000000"));
    let layer =
        SessionLayer::new(manager).with_max_cache_bytes(8 * 1024 * sessions.max(1000) as u64);
    let layered = Router::new().route("/", get(hello)).layer(layer);
    let [bare, layered] = [bare, layered].map(|router| runtime.block_on(serve(router)));
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    println!("requests per second over HTTP, as a ratio to the same application without the layer");
    for (name, secrets) in [("one session", &secrets[..1]), ("many sessions", &secrets[..])] {
        let mut applications = [bare, layered].map(Application::connect);
        // Every session is in the cache, whose entries are never stale here.
        applications[1].requests(secrets, 0..secrets.len());
        for number in 0..=rounds {
            let from = number * REQUESTS;
            for application in &mut applications {
                application.requests(secrets, from..from + REQUESTS);
            }
        }
        let [bare, layered] = applications.map(|it| it.nanos[it.nanos.len() - rounds..].to_vec());
        println!(
            "  {:<30} {:>5.2} ({:.1} and {:.1} µs a request)",
            format!("{name} ({})", secrets.len()),
            ratio(&bare, &layered),
            median(layered.clone()) / 1_000.0,
            median(bare.clone()) / 1_000.0,
        );
    }
}

async fn hello(session: CurrentSession) -> String {
    format!("hello, {}", session.user())
}

async fn signed_in(sessions: usize) -> (SessionManager, Vec<String>) {
    let never = std::time::Duration::from_secs(24 * 3600);
    let policy = SessionPolicy::builder().max_staleness(never).build().unwrap();
    let manager = SessionManager::builder(MemoryStore::new())
        .policy(policy)
        .keyring(keyring())
        .start()
        .await
        .unwrap();
    let mut secrets = Vec::with_capacity(sessions);
    for number in 0..sessions {
        let user = sample::user(&format!("user-{number:06}"));
        let sign_in = SignIn::new(&user, &sample::provider("okta"), sample::response());
        let signed_in = manager.sign_in(sign_in).await.unwrap();
        secrets.push(signed_in.secret.expose().to_owned());
    }
    (manager, secrets)
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

impl Application {
    fn connect(address: SocketAddr) -> Self {
        let connection = TcpStream::connect(address).unwrap();
        connection.set_nodelay(true).unwrap();
        Self { connection, nanos: Vec::new() }
    }

    /// Sends these requests, one after the other, and notes the nanoseconds of each.
    fn requests(&mut self, secrets: &[String], numbers: std::ops::Range<usize>) {
        let (started, count) = (Instant::now(), numbers.len());
        for number in numbers {
            // Neighbours in time are no neighbours in the table.
            self.request(&secrets[number.wrapping_mul(7_919) % secrets.len()]);
        }
        self.nanos.push(started.elapsed().as_nanos() as f64 / count as f64);
    }

    fn request(&mut self, secret: &str) {
        let request = format!(
            "GET / HTTP/1.1\r\nhost: app.example\r\ncookie: theme=dark; __Host-session={secret}\r\n\r\n"
        );
        self.connection.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::with_capacity(1024);
        let mut part = [0; 1024];
        while !is_whole(&answer) {
            let read = self.connection.read(&mut part).unwrap();
            assert!(read > 0, "the connection stays open");
            answer.extend_from_slice(&part[..read]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
}

/// Returns whether an answer has arrived with its body of eighteen bytes.
fn is_whole(answer: &[u8]) -> bool {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n");
    head.is_some_and(|head| answer.len() == head + 4 + "hello, user-000000".len())
}

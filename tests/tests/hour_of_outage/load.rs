//! Sessions that each make a request every ten minutes, and what a minute of them costs.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{Request, Response};
use session_core::SessionManager;
use session_core::manager::Maintenance;
use session_core::testing::ScriptedProvider;
use session_tests::manager::{World, policy};
use session_tower::{CurrentSession, Rejection, SessionLayer};
use tokio::task::JoinSet;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::Subscriber;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

const SESSIONS: usize = 10_000;

/// Each session makes one request in so many seconds.
const PERIOD: usize = 600;

pub(super) struct Load {
    pub(super) world: World,
    layer: SessionLayer,
    cookies: Vec<String>,
    second: AtomicUsize,
    lines: Arc<AtomicUsize>,
    _maintenance: Maintenance,
    _log: DefaultGuard,
}

/// What some minutes have cost: the highest of each, a minute; and what requests got in all of them.
#[derive(Debug, Default)]
pub(super) struct Minutes {
    pub(super) most_queries: usize,
    pub(super) most_provider_calls: usize,
    pub(super) most_tasks: usize,
    pub(super) most_lines: usize,
    /// The resident memory at the end, in mebibytes.
    memory: usize,
    pub(super) served: usize,
    pub(super) unavailable: usize,
    pub(super) rejected: usize,
}

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at most {} queries, {} provider calls, {} tasks and {} log lines a minute, {} MiB; {} served, {} got 503, {} got 401",
            self.most_queries,
            self.most_provider_calls,
            self.most_tasks,
            self.most_lines,
            self.memory,
            self.served,
            self.unavailable,
            self.rejected
        )
    }
}

impl Load {
    pub(super) async fn new() -> Self {
        let lines = Arc::new(AtomicUsize::new(0));
        let log = tracing_subscriber::registry().with(Lines(Arc::clone(&lines)));
        let log = tracing::subscriber::set_default(log);
        let world = World::of(policy(), ScriptedProvider::new().with_reuse_detection()).await;
        let mut cookies = Vec::with_capacity(SESSIONS);
        for user in 0..SESSIONS {
            // Spread over the period, as in a service that has run for long.
            if user % (SESSIONS / PERIOD) == 0 {
                world.clock.advance(Duration::from_secs(1));
            }
            let signed_in = world.sign_in_as(&format!("user-{user}")).await;
            cookies.push(format!("__Host-session={}", signed_in.secret.expose()));
        }
        let maintenance = world.manager.maintain(Duration::from_secs(60));
        let layer = SessionLayer::new(world.manager.clone());
        let second = AtomicUsize::new(0);
        Self { world, layer, cookies, second, lines, _maintenance: maintenance, _log: log }
    }

    /// Lets the sessions make their requests for some minutes.
    pub(super) async fn runs_for(&self, minutes: usize) -> Minutes {
        let mut all = Minutes::default();
        for _ in 0..minutes {
            self.run_a_minute(&mut all).await;
        }
        all.memory = resident_mebibytes();
        all
    }

    async fn run_a_minute(&self, all: &mut Minutes) {
        self.world.store.reset_calls();
        let (calls, lines) = (self.world.provider.renewals(), self.lines.load(Ordering::Relaxed));
        let mut waiting = JoinSet::new();
        for _ in 0..60 {
            self.world.clock.advance(Duration::from_secs(1));
            let second = self.second.fetch_add(1, Ordering::Relaxed);
            for user in (second % PERIOD..SESSIONS).step_by(PERIOD) {
                waiting.spawn(request(
                    self.layer.clone(),
                    self.world.manager.clone(),
                    self.cookies[user].clone(),
                ));
            }
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            while let Some(answer) = waiting.try_join_next() {
                all.count(answer.unwrap());
            }
            let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
            all.most_tasks = all.most_tasks.max(tasks);
        }
        // Requests that wait for a token give up after the policy's time.
        while !waiting.is_empty() {
            self.world.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
            while let Some(answer) = waiting.try_join_next() {
                all.count(answer.unwrap());
            }
        }
        all.most_queries = all.most_queries.max(self.world.store.total_calls());
        all.most_provider_calls =
            all.most_provider_calls.max(self.world.provider.renewals() - calls);
        all.most_lines = all.most_lines.max(self.lines.load(Ordering::Relaxed) - lines);
    }

    /// Returns whether every session of the beginning is live.
    pub(super) async fn all_are_live(&self) -> bool {
        for cookie in &self.cookies {
            let status =
                request(self.layer.clone(), self.world.manager.clone(), cookie.clone()).await;
            if status == 401 {
                return false;
            }
        }
        true
    }
}

impl Minutes {
    fn count(&mut self, status: u16) {
        match status {
            200 => self.served += 1,
            503 => self.unavailable += 1,
            _ => self.rejected += 1,
        }
    }
}

/// Calls a route that needs an access token, and returns the status.
async fn request(layer: SessionLayer, manager: SessionManager, cookie: String) -> u16 {
    let handler = service_fn(move |request: Request<Body>| {
        let manager = manager.clone();
        async move {
            let current = request.extensions().get::<CurrentSession>().cloned();
            let tokens = match current {
                Some(current) => current.fresh_tokens(&manager).await,
                None => Err(Rejection::NoSession),
            };
            Ok::<_, Infallible>(match tokens {
                Ok(_) => Response::new(Body::empty()),
                Err(rejection) => rejection.response(),
            })
        }
    });
    let request = Request::get("/").header(COOKIE, cookie).body(Body::empty()).unwrap();
    let answer = layer.require_session().layer(handler).oneshot(request).await.unwrap();
    answer.status().as_u16()
}

/// Counts what an operator reads: lines of level info and above.
struct Lines(Arc<AtomicUsize>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() <= tracing::Level::INFO {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn resident_mebibytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096 / (1024 * 1024)
}

//! A request that misses the cache, compared with the bare query and the decryption.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use axum::{Extension, Router};
use sea_orm::sqlx::{self, Row as _};
use sea_orm::{ConnectOptions, DatabaseConnection};
use session_core::manager::SignIn;
use session_core::session::SecretDigest;
use session_core::store::SessionLookup as _;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::token::{Sealed, SealedTokens};
use session_core::{
    Keyring, ProviderName, Session, SessionManager, SessionPolicy, TokenSet, UserId,
};
use session_tests::database::{Database, Kind};
use session_tower::{CurrentSession, SessionLayer};

use crate::measure::{median, ratio, send};
use crate::sample::Login;

/// The number of sessions in the table, and of requests in a round.
const SESSIONS: usize = 2_000;
const REQUESTS: usize = 1_000;

/// Prints two lines for each database: the ratio of a whole request that reads its row to a handler
/// on the same router that runs the same statement on the same pool and decrypts the tokens. The
/// first line is for sessions that are not in the cache, the second for stale entries.
pub(crate) async fn print(rounds: usize) {
    println!(
        "a miss, {SESSIONS} sessions in the table, compared with the same SELECT and decryption"
    );
    for kind in Kind::available() {
        let database = Database::migrated(kind).await;
        let bench = Bench::new(&database).await;
        let (mut bare, mut again) = (bench.bare(kind), Bench::router(&bench.forgetful));
        let (mut bare_nanos, mut first_nanos, mut again_nanos) = (vec![], vec![], vec![]);
        for number in 0..=rounds {
            bare_nanos.push(bench.round(&mut bare, number).await);
            // A new layer has an empty cache.
            first_nanos.push(bench.round(&mut Bench::router(&bench.manager), number).await);
            again_nanos.push(bench.round(&mut again, number).await);
        }
        // The first round warms the connections and their prepared statements, the second the cache
        // with the stale entries.
        for (name, nanos) in [("first read", first_nanos), ("read again", again_nanos)] {
            let (ours, theirs) = (after_warming(&nanos), after_warming(&bare_nanos));
            let micros = |nanos: &[f64]| median(nanos) / 1_000.0;
            println!(
                "{:<44} {:>6.2} ({:.1} to {:.1} µs)",
                format!("{kind}, {name}"),
                ratio(ours, theirs),
                micros(ours),
                micros(theirs)
            );
        }
    }
}

fn after_warming(nanos: &[f64]) -> &[f64] {
    &nanos[nanos.len().min(3) - 1..]
}

pub(crate) fn keyring() -> Keyring {
    // All managers of a run use the same key.
    static ENTRY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let entry = ENTRY.get_or_init(|| Keyring::generate_entry("bench").unwrap().to_string());
    Keyring::parse(entry).unwrap()
}

struct Bench {
    pool: DatabaseConnection,
    manager: SessionManager,
    /// A manager whose cached entries are always stale.
    forgetful: SessionManager,
    /// The statement with which the store finds a session.
    sql: String,
    logins: Arc<Vec<(String, SecretDigest, Session)>>,
}

impl Bench {
    async fn new(database: &Database) -> Self {
        let pool = database.connect_with(same_options).await;
        let manager = manager(&pool, Duration::from_secs(3600)).await;
        let forgetful = self::manager(&pool, Duration::ZERO).await;
        let logins = Arc::new(logins(&manager).await);
        let sql = sql_of_find(database, &logins[0].1).await;
        Self { pool, manager, forgetful, sql, logins }
    }

    fn router(manager: &SessionManager) -> Router {
        let layer = SessionLayer::new(manager.clone());
        Router::new().route("/", get(ours)).layer(layer)
    }

    /// Returns a router whose handler runs the bare query.
    fn bare(&self, kind: Kind) -> Router {
        let query = BareQuery { pool: self.pool.clone(), kind, sql: self.sql.clone().into() };
        let query = (Arc::new(query), Arc::clone(&self.logins));
        Router::new().route("/", get(bare)).layer(Extension(query))
    }

    async fn round(&self, router: &mut Router, seed: usize) -> f64 {
        let started = Instant::now();
        for number in 0..REQUESTS {
            // Each session is requested at most once.
            let session = (seed * 7919 + number) % SESSIONS;
            let cookies = format!("theme=dark; __Host-session={}; _ga=1", self.logins[session].0);
            let request = Request::get("/")
                .header("cookie", cookies)
                .extension(RequestedSession(session))
                .body(Body::empty())
                .unwrap();
            let response = send(router, request).await;
            assert_eq!(response.status(), StatusCode::OK);
        }
        started.elapsed().as_nanos() as f64 / REQUESTS as f64
    }
}

/// The session that a request is for, so that the bare query needs no cookie.
#[derive(Clone, Copy)]
struct RequestedSession(usize);

async fn ours(session: CurrentSession) -> &'static str {
    assert!(session.access_token().unwrap().len() > 1_000);
    "ok"
}

type Bare = (Arc<BareQuery>, Arc<Vec<(String, SecretDigest, Session)>>);

async fn bare(
    Extension((query, logins)): Extension<Bare>,
    Extension(RequestedSession(number)): Extension<RequestedSession>,
) -> &'static str {
    let (_, digest, session) = &logins[number];
    let sealed = query.run(digest.as_bytes()).await;
    let opened = TokenSet::open(&sealed, &keyring(), session.id, &session.user, &session.provider);
    assert!(opened.unwrap().access_token().len() > 1_000);
    "ok"
}

struct BareQuery {
    pool: DatabaseConnection,
    kind: Kind,
    sql: Arc<str>,
}

impl BareQuery {
    /// Runs the store's own statement.
    async fn run(&self, digest: &[u8]) -> SealedTokens {
        macro_rules! fetch {
            ($pool:expr) => {{
                let sql = sqlx::AssertSqlSafe(Arc::clone(&self.sql));
                let query = sqlx::query(sql).bind(digest).bind(digest);
                let row = query.fetch_one($pool).await.unwrap();
                (row.get("sealed_tokens"), row.get::<Option<Vec<u8>>, _>("sealed_refresh_token"))
            }};
        }
        let (tokens, refresh_token): (Vec<u8>, _) = match self.kind {
            Kind::Sqlite => fetch!(self.pool.get_sqlite_connection_pool()),
            Kind::Postgres => fetch!(self.pool.get_postgres_connection_pool()),
            Kind::MariaDb | Kind::MySql => fetch!(self.pool.get_mysql_connection_pool()),
        };
        let refresh_token = refresh_token.map(Sealed::from_bytes);
        SealedTokens { tokens: Sealed::from_bytes(tokens), refresh_token }
    }
}

/// Returns the statement with which the store finds a session. It is recorded on a separate pool.
async fn sql_of_find(database: &Database, digest: &SecretDigest) -> String {
    let sent = Arc::new(Mutex::new(String::new()));
    let note = Arc::clone(&sent);
    let store = SeaOrmStore::new(database.connect_with(same_options).await)
        .with_observer(move |statement| *note.lock().unwrap() = statement.sql.clone());
    store.find_by_digest(digest).await.unwrap().unwrap();
    let sql = sent.lock().unwrap();
    sql.clone()
}

async fn manager(pool: &DatabaseConnection, max_staleness: Duration) -> SessionManager {
    let policy = SessionPolicy::builder()
        .max_staleness(max_staleness)
        .without_idle_timeout()
        .touch_interval(Duration::from_secs(24 * 3600));
    SessionManager::builder(SeaOrmStore::new(pool.clone()))
        .policy(policy.build().unwrap())
        .keyring(keyring())
        .start()
        .await
        .unwrap()
}

fn same_options(options: &mut ConnectOptions) {
    options.test_before_acquire(false).sqlx_logging(false).max_connections(4);
}

async fn logins(manager: &SessionManager) -> Vec<(String, SecretDigest, Session)> {
    let mut logins = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let login = Login::of(number);
        let user = UserId::new(&login.user).unwrap();
        let provider = ProviderName::new(&login.provider).unwrap();
        let signed_in = manager.sign_in(SignIn::new(&user, &provider, login.response())).await;
        let signed_in = signed_in.unwrap();
        let (secret, digest) = (signed_in.secret.expose().to_owned(), signed_in.secret.digest());
        logins.push((secret, digest, signed_in.session));
    }
    logins
}

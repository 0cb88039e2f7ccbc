//! The four services: a bare router, a no-op layer, the peer, and session-tower.

use axum::routing::get;
use axum::{Router, response::IntoResponse};
use session_core::manager::SignIn;
use session_core::store::memory::MemoryStore;
use session_core::{Keyring, ProviderName, SessionManager, SessionPolicy, UserId};
use session_tower::{CurrentSession, SessionLayer};
use tower::util::MapRequestLayer;
use tower_sessions::cookie::time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::{
    CachingSessionStore, Expiry, MemoryStore as PeerStore, Session, SessionManagerLayer,
    SessionStore as _,
};
use tower_sessions_moka_store::MokaStore;

use crate::SESSIONS;
use crate::measure::Row;
use crate::sample::Login;

pub(crate) async fn all() -> Vec<Row> {
    let anonymous = cookies(|number| format!("session={number:043}"));
    let bare = Router::new().route("/", get(anonymous_handler));
    let noop = bare.clone().layer(MapRequestLayer::new(|request| request));
    let row = |name, router| Row { name, router, cookies: anonymous.clone() };
    let mut rows =
        vec![row("bare router", bare), row("no-op layer", noop), peer().await, ours().await];
    for row in &mut rows {
        // As a server does it, once: otherwise each request copies the layer.
        row.router = std::mem::take(&mut row.router).with_state(());
    }
    rows
}

/// Returns cookie headers with three cookies, the session's in the middle.
fn cookies(session: impl Fn(usize) -> String) -> Vec<String> {
    let three = |number| format!("theme=dark; {}; _ga=GA1.1.1.1700000000", session(number));
    (0..SESSIONS).map(three).collect()
}

async fn anonymous_handler() -> impl IntoResponse {
    "ok"
}

/// tower-sessions with a moka cache in front of a memory store.
async fn peer() -> Row {
    let store =
        CachingSessionStore::new(MokaStore::new(Some(2 * SESSIONS as u64)), PeerStore::default());
    let mut ids: Vec<Id> = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let login = serde_json::to_value(Login::of(number)).unwrap();
        let mut record = Record {
            id: Id::default(),
            data: [("login".to_owned(), login)].into_iter().collect(),
            expiry_date: OffsetDateTime::now_utc() + Duration::days(30),
        };
        store.create(&mut record).await.unwrap();
        ids.push(record.id);
    }
    let layer =
        SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::days(7)));
    let router = Router::new().route("/", get(peer_handler)).layer(layer);
    let cookies = cookies(|number| format!("id={}", ids[number]));
    Row { name: "tower-sessions, caching moka store", router, cookies }
}

async fn peer_handler(session: Session) -> impl IntoResponse {
    let login: Login = session.get("login").await.unwrap().unwrap();
    assert!(login.user.starts_with("user-") && login.access_token.len() > 1_000);
    "ok"
}

async fn ours() -> Row {
    let (manager, secrets) = manager().await;
    let layer = SessionLayer::new(manager).with_max_cache_bytes(8 * 1024 * SESSIONS as u64);
    let router = Router::new().route("/", get(our_handler)).layer(layer);
    let cookies = cookies(|number| format!("__Host-session={}", secrets[number]));
    Row { name: "session-tower", router, cookies }
}

async fn manager() -> (SessionManager, Vec<String>) {
    // The cache is measured, not the store: no entry becomes stale during the run.
    let policy = SessionPolicy::builder().max_staleness(std::time::Duration::from_secs(3600));
    let manager = SessionManager::builder(MemoryStore::new())
        .policy(policy.build().unwrap())
        .keyring(Keyring::parse(&Keyring::generate_entry("bench").unwrap()).unwrap())
        .start()
        .await
        .unwrap();
    let mut secrets = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let login = Login::of(number);
        let user = UserId::new(&login.user).unwrap();
        let provider = ProviderName::new(&login.provider).unwrap();
        let signed_in = manager.sign_in(SignIn::new(&user, &provider, login.response())).await;
        secrets.push(signed_in.unwrap().secret.expose().to_owned());
    }
    (manager, secrets)
}

async fn our_handler(session: CurrentSession) -> impl IntoResponse {
    let access_token = session.access_token().unwrap();
    assert!(session.user().as_str().starts_with("user-") && access_token.len() > 1_000);
    "ok"
}

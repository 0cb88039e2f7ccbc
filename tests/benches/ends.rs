//! How long after an end on one node a stream on another one is told, and its cached session is no longer
//! served:
//!
//!     ./scripts/with-databases cargo bench -p session-tests --bench ends
//!
//! Prints the median, the 99th percentile and the maximum of 200 ends, for polling on each database,
//! for `NOTIFY` and for Redis.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench prints, and a panic is how it fails"
)]

use std::time::Duration;

use session_core::broadcast::{ChangeBroadcast, RedisPubSub};
use session_core::manager::{Resolution, SignIn};
use session_core::middleware::{SessionManagerExt as _, Validity};
use session_core::store::sea_orm::{PostgresNotify, SeaOrmStore};
use session_core::testing::sample;
use session_core::{SessionManager, SessionPolicy, TokenResponse};
use session_tests::database::{Database, Kind, redis_url};
use session_tests::manager::keyring;
use tokio::time::Instant;

const ENDS: usize = 200;

#[tokio::main]
async fn main() {
    for kind in Kind::available() {
        let database = Database::migrated(kind).await;
        let nodes = [node(&database, NONE).await, node(&database, NONE).await];
        report(&format!("{kind}, polling"), &nodes).await;
    }
    if Kind::Postgres.is_available() {
        let database = Database::migrated(Kind::Postgres).await;
        let notify = async || Some(PostgresNotify::connect(database.url()).await.unwrap());
        let nodes = [node(&database, notify().await).await, node(&database, notify().await).await];
        report("PostgreSQL, NOTIFY", &nodes).await;
        let Some(url) = redis_url() else { return };
        let redis = async || Some(RedisPubSub::connect(&url, "bench").await.unwrap());
        let nodes = [node(&database, redis().await).await, node(&database, redis().await).await];
        report("PostgreSQL, Redis", &nodes).await;
    }
}

const NONE: Option<PostgresNotify> = None;

async fn node(database: &Database, broadcast: Option<impl ChangeBroadcast>) -> SessionManager {
    let store = SeaOrmStore::connect(database.url()).await.unwrap();
    let policy = SessionPolicy::builder().unlimited().build().unwrap();
    let mut builder = SessionManager::builder(store).policy(policy).keyring(keyring());
    if let Some(broadcast) = broadcast {
        builder = builder.broadcast(broadcast);
    }
    builder.start().await.unwrap()
}

async fn report(name: &str, nodes: &[SessionManager; 2]) {
    let mut delays = Vec::with_capacity(ENDS);
    for turn in 0..ENDS {
        // At any point of the other node's interval.
        let pause = u64::try_from(turn * 37 % 200).unwrap();
        delays.push(delay(nodes, Duration::from_millis(pause)).await);
    }
    delays.sort_unstable();
    let at = |share: usize| delays[(ENDS - 1) * share / 100].as_secs_f64() * 1000.0;
    println!(
        "{name:24} median {:7.1} ms   99th percentile {:7.1} ms   maximum {:7.1} ms",
        at(50),
        at(99),
        at(100)
    );
}

/// Returns how long after the end on one node was confirmed the other one knows of it.
async fn delay([here, there]: &[SessionManager; 2], pause: Duration) -> Duration {
    let login =
        SignIn::new(&sample::user("ann"), &sample::provider("okta"), TokenResponse::bearer("at"));
    let laptop = here.sign_in(login).await.unwrap();
    let resolution = here.resolve(&laptop.secret.digest(), None).await.unwrap();
    let Resolution::Live(live) = resolution else { unreachable!("signed in a moment ago") };
    let mut signal = live.ended_signal();
    tokio::time::sleep(pause).await;
    there.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let confirmed = Instant::now();
    signal.wait().await;
    assert_eq!(here.revalidate(&live), Validity::Stale);
    confirmed.elapsed()
}

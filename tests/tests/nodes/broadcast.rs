//! LISTEN and NOTIFY, and Redis: an end elsewhere is seen though the clock stands still, and also after
//! the connection was lost.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use session_core::EndReason;
use session_core::SessionStore;
use session_core::broadcast::{ChangeBroadcast, RedisPubSub};
use session_core::manager::EndedSignal;
use session_core::store::memory::MemoryStore;
use session_core::store::sea_orm::{PostgresNotify, SeaOrmStore};
use session_core::testing::ScriptedProvider;
use session_tests::database::{Database, Kind, redis_url};
use session_tests::manager::{World, policy, until_real};
use tokio::io::AsyncWriteExt as _;

const HOUR: Duration = Duration::from_secs(3600);

/// Nodes that learn of changes by their broadcast alone.
async fn nodes(
    sessions: Arc<dyn SessionStore>,
    [here, there]: [impl ChangeBroadcast; 2],
) -> [World; 2] {
    let seldom = policy().max_staleness(HOUR).follow_interval(HOUR);
    let world = World::on(sessions, seldom, ScriptedProvider::new()).await;
    [world.another_with(here).await, world.another_with(there).await]
}

async fn is_seen(signal: &EndedSignal) {
    let ended = async || signal.reason() == Some(EndReason::SignedOut);
    until_real("the end is seen", ended).await;
}

/// Signs out on one node again and again, until the other one has seen an end: it may not listen
/// yet.
async fn sign_out_until_seen([here, there]: &[World; 2]) {
    until_real("an end is seen", async || {
        // A broken broadcast is tried again after a pause.
        here.clock.advance(Duration::from_millis(100));
        let laptop = here.sign_in().await;
        let signal = here.live(&laptop).await.ended_signal();
        there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        signal.reason().is_some()
    })
    .await;
}

/// Ends a session while the other node's connection is cut, and lets time pass until it is back.
async fn ends_during_a_cut_are_seen(nodes: &[World; 2], cut: impl AsyncFn()) {
    sign_out_until_seen(nodes).await;
    let [here, there] = nodes;
    let laptop = here.sign_in().await;
    let signal = here.live(&laptop).await.ended_signal();
    cut().await;
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    until_real("the end is seen", async || {
        here.clock.advance(Duration::from_millis(100));
        signal.reason().is_some()
    })
    .await;
    sign_out_until_seen(nodes).await;
}

async fn on_postgres(database: &Database) -> [World; 2] {
    let store = SeaOrmStore::connect(database.url()).await.unwrap();
    let broadcast = async || PostgresNotify::connect(database.url()).await.unwrap();
    nodes(Arc::new(store), [broadcast().await, broadcast().await]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_tells_of_an_end_at_once() {
    if !Kind::Postgres.is_available() {
        return;
    }
    let database = Database::migrated(Kind::Postgres).await;
    let nodes = on_postgres(&database).await;
    sign_out_until_seen(&nodes).await;
    let laptop = nodes[0].sign_in().await;
    let signal = nodes[0].live(&laptop).await.ended_signal();
    nodes[1].manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    is_seen(&signal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_while_postgres_had_cut_the_listener_off_is_seen() {
    if !Kind::Postgres.is_available() {
        return;
    }
    let database = Database::migrated(Kind::Postgres).await;
    let nodes = on_postgres(&database).await;
    let admin = database.connect_with(|_| {}).await;
    let cut = async || {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        admin.execute_unprepared(sql).await.unwrap();
    };
    ends_during_a_cut_are_seen(&nodes, cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_tells_of_an_end_at_once_and_after_its_connections_were_cut() {
    let Some(url) = redis_url() else { return };
    let channel = uuid::Uuid::now_v7().to_string();
    let broadcast = async || RedisPubSub::connect(&url, &channel).await.unwrap();
    let nodes = nodes(Arc::new(MemoryStore::new()), [broadcast().await, broadcast().await]).await;
    sign_out_until_seen(&nodes).await;
    let address = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let cut = async || {
        let mut redis = tokio::net::TcpStream::connect(&address).await.unwrap();
        redis.write_all(b"CLIENT KILL TYPE pubsub\r\n").await.unwrap();
        redis.write_all(b"CLIENT KILL TYPE normal SKIPME yes\r\n").await.unwrap();
        redis.shutdown().await.unwrap();
    };
    ends_during_a_cut_are_seen(&nodes, cut).await;
}

#[tokio::test]
async fn an_error_of_a_broadcast_does_not_contain_the_address() {
    let postgres = PostgresNotify::connect("postgres://u:hunter2@127.0.0.1:1/x").await.unwrap_err();
    let redis = RedisPubSub::connect("redis://u:hunter2@127.0.0.1:1/", "x").await.unwrap_err();
    let wrong = RedisPubSub::connect("hunter2://", "x").await.unwrap_err();
    for error in [postgres, redis, wrong] {
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
}

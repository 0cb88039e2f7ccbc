//! Connections that answer no more, servers that take no writes, and nodes that stop within a
//! transaction: what the store does about them on each server.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::future::Future;
use std::time::Duration;

use crate::store_support::saboteur::{Sabotage, Saboteur};
use crate::store_support::{admit, capped, migrated};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Statement, TransactionTrait as _};
use session_core::policy::OnFull;
use session_core::store::SessionLookup as _;
use session_core::store::SessionUpdates as _;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::sample::{self, Login};
use session_tests::database::{Database, Kind};

const SECOND: Duration = Duration::from_secs(1);

/// A store whose pool has so many connections through a proxy.
async fn behind(saboteur: &Saboteur, connections: u32) -> SeaOrmStore {
    let mut options = ConnectOptions::new(saboteur.url());
    options.max_connections(connections);
    SeaOrmStore::connect_options(options).await.unwrap()
}

/// A store whose server gives up what takes longer than two seconds.
async fn impatient(database: &Database) -> SeaOrmStore {
    let mut options = ConnectOptions::new(database.url());
    options.statement_timeout(SECOND * 2);
    SeaOrmStore::connect_options(options).await.unwrap()
}

fn servers() -> Vec<Kind> {
    Kind::available().into_iter().filter(|kind| *kind != Kind::Sqlite).collect()
}

/// Fails if the future takes several times as long as it should.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(SECOND * 20, future).await;
    done.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Calls until the store answers; a caller waits for each answer for half a second.
async fn answered(store: &SeaOrmStore) {
    let ann = sample::user("ann");
    loop {
        if let Ok(Ok(_)) = tokio::time::timeout(SECOND / 2, store.list(&ann)).await {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fell_silent_leave_the_pool() {
    for kind in servers() {
        let database = migrated(kind).await;
        let saboteur = Saboteur::before(database.url()).await;
        let store = behind(&saboteur, 4).await;
        let ann = sample::user("ann");
        let all = futures_util::future::join_all((0..16).map(|_| store.list(&ann))).await;
        assert!(all.iter().all(Result::is_ok));
        saboteur.silence();
        let calls = (0..4).map(|_| tokio::time::timeout(SECOND / 2, store.list(&ann)));
        let calls = futures_util::future::join_all(calls).await;
        assert!(calls.iter().all(Result::is_err), "{kind}: a silent connection has answered");
        soon("a connection that answers", answered(&store)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_falls_silent_as_it_goes_back_leaves_the_pool() {
    for kind in servers() {
        let database = migrated(kind).await;
        let saboteur = Saboteur::before(database.url()).await;
        let store = behind(&saboteur, 1).await;
        answered(&store).await;
        saboteur.arm(Sabotage::SilentTest, 0);
        store.list(&sample::user("ann")).await.unwrap();
        soon("a test of the connection", saboteur.struck()).await;
        soon("a connection that answers", answered(&store)).await;
    }
}

/// A connection to a primary that was demoted is not used again.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_read_only_server_leaves_the_pool() {
    if !Kind::Postgres.is_available() {
        return;
    }
    let database = migrated(Kind::Postgres).await;
    let mut options = ConnectOptions::new(database.url());
    options.max_connections(2);
    let store = SeaOrmStore::connect_options(options).await.unwrap();
    let login = Login::of("ann", "okta");
    admit(&store, &login, &capped(3, OnFull::EvictOldest)).await.unwrap();
    let read_only = "SET default_transaction_read_only = on";
    let both = (0..2).map(|_| store.connection().begin());
    for begun in futures_util::future::join_all(both).await {
        let begun = begun.unwrap();
        begun.execute_unprepared(read_only).await.unwrap();
        begun.commit().await.unwrap();
    }
    let at = sample::now() + SECOND;
    store.touch(login.id(), at).await.unwrap();
    let row = store.find(login.id()).await.unwrap().unwrap();
    assert_eq!(row.session.last_seen_at, at);
    admit(&store, &Login::of("ann", "okta"), &capped(3, OnFull::EvictOldest)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_within_a_transaction_holds_no_lock_for_long() {
    for kind in servers() {
        let database = migrated(kind).await;
        let [dead, alive] = [impatient(&database).await, impatient(&database).await];
        let policy = capped(3, OnFull::EvictOldest);
        admit(&alive, &Login::of("ann", "okta"), &policy).await.unwrap();
        let transaction = dead.connection().begin().await.unwrap();
        let lock = "UPDATE admission_lock SET admissions = admissions + 1";
        transaction.execute_unprepared(lock).await.unwrap();
        let login = Login::of("ann", "okta");
        let admitted = soon("a login", admit(&alive, &login, &policy)).await;
        admitted.unwrap();
        drop(transaction);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gives_up_a_long_statement() {
    for kind in servers() {
        let database = migrated(kind).await;
        let store = impatient(&database).await;
        let backend = store.connection().get_database_backend();
        let sql = match kind {
            Kind::Postgres => "SELECT COUNT(*) FROM generate_series(1, 100000000000)",
            _ => {
                "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i % 1000 + 1 FROM n) \
                 SELECT COUNT(*) FROM n AS a, n AS b, n AS c, n AS d, n AS e"
            }
        };
        let asked = store.connection().query_one_raw(Statement::from_string(backend, sql));
        let error = soon("the end of a statement", asked).await.unwrap_err();
        assert!(
            error.to_string().contains("timeout") || error.to_string().contains("time"),
            "{error}"
        );
    }
}

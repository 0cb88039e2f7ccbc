//! The store with threads, pools and failing connections, on real databases.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use crate::store_support::{admit, capped, migrated};
use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseConnection, IsolationLevel, Statement};
use session_core::policy::OnFull;
use session_core::session::EndReason;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::store::{Admission, EndTarget, StoreErrorKind};
use session_core::store::{
    EventLog as _, SessionLifecycle as _, SessionLookup as _, SessionUpdates as _,
};
use session_core::testing::conformance::{self, StoreUnderTest};
use session_core::testing::sample::{self, Login};
use session_core::{SessionStore, Timestamp};
use session_tests::database::{Database, Kind, Link};
use session_tests::on_every_database;

/// Two pools whose connections have this isolation unless a transaction sets another one.
struct Defaulting {
    kind: Kind,
    isolation: IsolationLevel,
    current: tokio::sync::Mutex<Option<Database>>,
}

#[async_trait]
impl StoreUnderTest for Defaulting {
    async fn nodes(&self) -> Vec<Arc<dyn SessionStore>> {
        let database = Database::with_isolation(self.kind, self.isolation).await;
        session_migrate::up(database.url()).await.unwrap();
        let mut nodes: Vec<Arc<dyn SessionStore>> = Vec::new();
        for _ in 0..2 {
            let pool = database.connect_with(|options| {
                options.max_connections(8).test_before_acquire(false);
            });
            nodes.push(Arc::new(SeaOrmStore::new(pool.await)));
        }
        *self.current.lock().await = Some(database);
        nodes
    }
}

async fn check_under(kind: Kind, isolation: IsolationLevel) {
    let store = Defaulting { kind, isolation, current: tokio::sync::Mutex::new(None) };
    for law in [1, 2, 3, 4, 11] {
        conformance::check_law(law, &store).await.unwrap();
    }
}

on_every_database! {
    async fn laws_hold_under_a_default_of_repeatable_read(kind: Kind) {
        check_under(kind, IsolationLevel::RepeatableRead).await;
    }

    async fn laws_hold_under_a_default_of_serializable(kind: Kind) {
        check_under(kind, IsolationLevel::Serializable).await;
    }

    async fn sixty_four_logins_of_two_processes_keep_the_cap(kind: Kind) {
        let database = migrated(kind).await;
        let start = Arc::new(Barrier::new(2));
        let present = Arc::new(Mutex::new(Vec::new()));
        let nodes = [Duration::ZERO, Duration::from_secs(60)].map(|behind| {
            let (url, start) = (database.url().to_owned(), Arc::clone(&start));
            let present = Arc::clone(&present);
            std::thread::spawn(move || process(&url, behind, &start, &present))
        });
        let ended: usize = nodes.into_iter().map(|node| node.join().unwrap()).sum();

        assert_eq!(ended, 64 - 10, "each login over the cap ended one session");
        let maximum = present.lock().unwrap().iter().copied().max();
        assert!(maximum <= Some(10), "{maximum:?} sessions were live at once");
        let store = SeaOrmStore::connect(database.url()).await.unwrap();
        assert_eq!(store.list(&sample::user("ann")).await.unwrap().len(), 10);
    }

    async fn a_node_whose_clock_is_behind_does_not_make_a_newer_login_the_oldest(kind: Kind) {
        let database = migrated(kind).await;
        let store = SeaOrmStore::connect(database.url()).await.unwrap();
        let policy = capped(2, OnFull::EvictOldest);
        let first = Login::of("ann", "okta").at(sample::now());
        let second = Login::of("ann", "okta").at(sample::now() - Duration::from_secs(60));
        let third = Login::of("ann", "okta").at(sample::now() - Duration::from_secs(30));
        for login in [&first, &second] {
            assert!(admit(&store, login, &policy).await.unwrap().is_empty());
        }
        let ended = admit(&store, &third, &policy).await.unwrap();
        assert_eq!(ended, [first.id()], "the first admitted session ends first");
        let listed = store.list(&sample::user("ann")).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|session| session.id).collect();
        assert_eq!(listed, [third.id(), second.id()]);
    }

    /// Migrated rows may come without a lock row.
    async fn the_order_of_admission_survives_the_loss_of_its_counter(kind: Kind) {
        let database = migrated(kind).await;
        let store = SeaOrmStore::connect(database.url()).await.unwrap();
        let policy = capped(3, OnFull::EvictOldest);
        let logins: Vec<_> = (0..4).map(|_| Login::of("ann", "okta")).collect();
        for login in &logins[..2] {
            admit(&store, login, &policy).await.unwrap();
        }
        store.connection().execute_unprepared("DELETE FROM admission_lock").await.unwrap();
        admit(&store, &logins[2], &policy).await.unwrap();
        let ended = admit(&store, &logins[3], &policy).await.unwrap();
        assert_eq!(ended, [logins[0].id()]);
    }

    /// A login that is dropped at any point leaves no open transaction on its connection: what the
    /// next call writes there is visible to others.
    async fn a_dropped_call_has_its_whole_effect_or_none(kind: Kind) {
        let database = migrated(kind).await;
        let one = database.connect_with(|options| { options.max_connections(1); }).await;
        let (one, other) = (SeaOrmStore::new(one), SeaOrmStore::connect(database.url()).await.unwrap());
        let policy = capped(2, OnFull::EvictOldest);
        let witness = Login::of("witness", "okta");
        admit(&one, &witness, &policy).await.unwrap();
        let mut touched = sample::now();
        for polls in 1.. {
            let login = Login::of("ann", "okta");
            let finished = crate::store_support::polled(admit(&one, &login, &policy), polls).await;
            touched = touched + Duration::from_secs(1);
            one.touch(witness.id(), touched).await.unwrap();
            assert_eq!(last_seen(&other, &witness).await, touched, "dropped after {polls} polls");
            let live = other.list(&sample::user("ann")).await.unwrap();
            assert!(live.len() <= 2, "{} are live after {polls} polls", live.len());
            let stored = other.find(login.id()).await.unwrap();
            let events = other.events(login.id()).await.unwrap();
            assert_eq!(stored.is_some(), !events.is_empty(), "a partial login after {polls} polls");
            if finished.is_some() {
                return;
            }
        }
    }

    async fn an_error_contains_no_value(kind: Kind) {
        let database = migrated(kind).await;
        let store = SeaOrmStore::connect(database.url()).await.unwrap();
        let policy = capped(3, OnFull::EvictOldest);
        let login = Login::of("ann", "okta");
        admit(&store, &login, &policy).await.unwrap();
        // Another session with the same digest.
        let mut twin = Login::of("bob", "okta");
        twin.secret.clone_from(&login.secret);
        let decide = |_: &[_]| session_core::policy::Verdict::Admit(Vec::new());
        let error = store.admit(twin.new_session(), &decide).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected);
        let digest = login.digest().unwrap();
        let text = chain(&error);
        for hexadecimal in [lower_hex(digest.as_bytes()), lower_hex(digest.as_bytes()).to_uppercase()] {
            assert!(!text.contains(&hexadecimal[..8]), "{text}");
        }
        assert!(!text.contains("bob") && !text.contains("ann"), "{text}");
        assert!(text.contains("database error"), "the code is missing: {text}");
    }

    async fn a_database_without_tables_rejects(kind: Kind) {
        let database = Database::create(kind).await;
        let store = SeaOrmStore::connect(database.url()).await.unwrap();
        let error = store.list(&sample::user("ann")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected);
        assert!(chain(&error).contains("login_session"), "the table is missing: {}", chain(&error));
    }
}

/// Acts as one process: 32 concurrent logins on a separate runtime and pool.
fn process(url: &str, behind: Duration, start: &Barrier, present: &Mutex<Vec<usize>>) -> usize {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SeaOrmStore::connect(url).await.unwrap();
        let policy = capped(10, OnFull::EvictOldest);
        start.wait();
        let logins = (0..32).map(|_| async {
            let login = Login::of("ann", "okta").at(sample::now() - behind);
            let decide = |here: &[_]| {
                present.lock().unwrap().push(here.len());
                policy.admit(&login.session.provider, here, login.session.created_at)
            };
            match store.admit(login.new_session(), &decide).await.unwrap() {
                Admission::Admitted { ended } => ended.len(),
                refused => panic!("a login was not admitted: {refused:?}"),
            }
        });
        futures_util::future::join_all(logins).await.into_iter().sum()
    })
}

/// Returns the kinds with a server, whose connections can break.
fn servers() -> Vec<Kind> {
    Kind::available().into_iter().filter(|kind| *kind != Kind::Sqlite).collect()
}

/// Creates a store whose pool has four open and idle connections that are not tested before use.
async fn with_open_connections(link: &Link) -> SeaOrmStore {
    let pool = link.connect_with(|options| {
        options.max_connections(4).test_before_acquire(false);
    });
    let store = SeaOrmStore::new(pool.await);
    let asked = (0..16).map(|_| store.list(sample_user()));
    assert!(futures_util::future::join_all(asked).await.iter().all(Result::is_ok));
    store
}

fn sample_user() -> &'static session_core::UserId {
    static USER: std::sync::LazyLock<session_core::UserId> =
        std::sync::LazyLock::new(|| sample::user("ann"));
    &USER
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_connection_is_not_an_error() {
    for kind in servers() {
        let database = migrated(kind).await;
        let link = database.link().await;
        let store = with_open_connections(&link).await;
        let policy = capped(3, OnFull::EvictOldest);
        let login = Login::of("ann", "okta");
        admit(&store, &login, &policy).await.unwrap();
        for round in 1..=4 {
            link.cut().await.restore().await;
            let at = sample::now() + Duration::from_secs(round);
            match round {
                1 => drop(store.find(login.id()).await.unwrap().unwrap()),
                2 => store.touch(login.id(), at).await.unwrap(),
                3 => drop(admit(&store, &Login::of("ann", "okta"), &policy).await.unwrap()),
                _ => drop(store.end(all_of_ann(), EndReason::SignedOut.into(), at).await.unwrap()),
            }
        }
        assert!(store.list(&sample::user("ann")).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_server_killed_are_not_an_error() {
    for kind in servers() {
        let database = migrated(kind).await;
        let link = database.link().await;
        let store = with_open_connections(&link).await;
        let login = Login::of("ann", "okta");
        admit(&store, &login, &capped(3, OnFull::EvictOldest)).await.unwrap();
        for round in 1..=3 {
            kill_others(&database.connect().await, kind).await;
            let at = sample::now() + Duration::from_secs(round);
            store.touch(login.id(), at).await.unwrap();
            assert_eq!(last_seen(&store, &login).await, at);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_server_is_reported_within_the_acquire_timeout() {
    for kind in servers() {
        let database = migrated(kind).await;
        let link = database.link().await;
        let store = with_open_connections(&link).await;
        let outage = link.cut().await;
        // The pool tries for two seconds; a hang would be ten times as long.
        let bound = Duration::from_secs(20);
        let found = tokio::time::timeout(bound, store.list(&sample::user("ann"))).await;
        let error = found.expect("an answer in time").unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let login = Login::of("ann", "okta");
        let policy = capped(3, OnFull::EvictOldest);
        let admitted = tokio::time::timeout(bound, admit(&store, &login, &policy)).await;
        let error = admitted.expect("an answer in time").unwrap_err();
        assert!(error.is_transient());
        outage.restore().await;
        admit(&store, &login, &policy).await.unwrap();
    }
}

fn all_of_ann() -> EndTarget {
    EndTarget::AllOf { user: sample::user("ann"), provider: None }
}

async fn last_seen(store: &SeaOrmStore, login: &Login) -> Timestamp {
    store.find(login.id()).await.unwrap().unwrap().session.last_seen_at
}

async fn kill_others(pool: &DatabaseConnection, kind: Kind) {
    let backend = pool.get_database_backend();
    if kind == Kind::Postgres {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        pool.execute_unprepared(sql).await.unwrap();
        return;
    }
    let sql = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist \
               WHERE db = DATABASE() AND id <> CONNECTION_ID()";
    let rows = pool.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    for row in rows {
        let id: i64 = row.try_get_by_index(0).unwrap();
        // It may have ended by itself.
        let _ = pool.execute_unprepared(&format!("KILL {id}")).await;
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error:?}");
    let mut cause = Some(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

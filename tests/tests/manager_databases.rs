//! The manager's promises on real databases, with real threads: races between nodes, outages, and
//! clients that hang up (laws 1 to 5; F2, F10, F12, F13, F17).
//!
//! The clock is the test's: no test waits for a timeout or an expiry.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::sync::Arc;
use std::time::Duration;

use sea_orm::IsolationLevel;
use session_core::EndReason;
use session_core::manager::{SignedIn, TokenErrorKind};
use session_core::middleware::SessionManagerExt as _;
use session_core::policy::{OnFull, PolicyBuilder};
use session_core::provider::RevocationScope;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::{Method, ScriptedProvider, sample};
use session_tests::database::{Database, Kind, Link, Migrated};
use session_tests::manager::{LIFETIME, TERM, World, policy, until_real};
use session_tests::on_every_database;

const SECOND: Duration = Duration::from_secs(1);

/// A store with a separate pool.
async fn pool(database: &Database) -> Arc<SeaOrmStore> {
    let connection = database.connect_with(|options| {
        options.max_connections(8).test_before_acquire(false).acquire_timeout(SECOND * 60);
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(SECOND * 60));
    });
    Arc::new(SeaOrmStore::new(connection.await))
}

/// A store whose link to the database can be cut.
async fn behind(link: &Link) -> Arc<SeaOrmStore> {
    let pool = link.connect_with(|options| {
        options.max_connections(4).test_before_acquire(false).acquire_timeout(SECOND / 2);
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.busy_timeout(SECOND / 10));
    });
    Arc::new(SeaOrmStore::new(pool.await))
}

fn detecting() -> ScriptedProvider {
    ScriptedProvider::new().with_reuse_detection().with_revocation_scope(RevocationScope::Token)
}

/// Two nodes with separate pools.
async fn two_nodes(database: &Database, policy: PolicyBuilder) -> [World; 2] {
    let here = World::on(pool(database).await, policy, detecting()).await;
    let there = here.another_on(pool(database).await, here.clock.clone()).await;
    [here, there]
}

/// Moves the clock on as real time passes, so that who sleeps on it goes on, until it is done.
async fn with_time<T>(world: &World, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        tokio::select! {
            biased;
            done = &mut future => return done,
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
        world.clock.advance(Duration::from_millis(50));
    }
}

/// The clock in large steps, real time for each to take effect.
async fn pass(world: &World, span: Duration) {
    let step = SECOND / 2;
    for _ in 0..span.as_millis().div_ceil(step.as_millis()) {
        world.clock.advance(step);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn refresh_token(world: &World, device: &SignedIn) -> String {
    world.stored(device).await.refresh_token().unwrap().to_owned()
}

on_every_database! {
    async fn f2_two_hundred_renewals_at_once_over_two_nodes_make_one_call(database: Migrated) {
        let patient = policy().store_timeout(SECOND * 600).lease_term(SECOND * 4800).max_renewal_wait(SECOND * 3600);
        let [here, there] = two_nodes(&database, patient).await;
        let laptop = here.sign_in().await;
        here.clock.advance(LIFETIME);
        let callers: Vec<_> = (0..200)
            .map(|n| if n % 2 == 0 { &here } else { &there }.token_later(&laptop))
            .collect();
        for caller in callers {
            assert_eq!(with_time(&here, caller).await.unwrap().unwrap(), "at-2");
        }
        assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
        assert_eq!(refresh_token(&here, &laptop).await, "rt-2");
        let row = here.row(laptop.session.id).await;
        assert_eq!((row.session.revision, row.lease), (2, None));
    }

    async fn f17_law_1_sixty_four_logins_at_once_over_two_nodes_never_exceed_the_cap(kind: Kind) {
        for isolation in [None, Some(IsolationLevel::RepeatableRead)] {
            let database = match isolation {
                Some(isolation) => Database::with_isolation(kind, isolation).await,
                None => Database::create(kind).await,
            };
            database.migrate().await;
            simultaneous_logins(&database).await;
        }
    }

    async fn law_1_rejecting_nodes_admit_exactly_the_cap(database: Migrated) {
        let reject = policy().max_sessions(5).on_full(OnFull::Reject).store_timeout(SECOND * 600).lease_term(SECOND * 4800);
        let nodes = two_nodes(&database, reject).await;
        let logins: Vec<_> = (0..24)
            .map(|n| {
                let world = nodes[n % 2].clone();
                tokio::spawn(async move { world.manager.sign_in(world.login("ann")).await.is_ok() })
            })
            .collect();
        let mut admitted = 0;
        for login in logins {
            admitted += usize::from(login.await.unwrap());
        }
        let listed = nodes[0].manager.list(&sample::user("ann"), None).await.unwrap();
        assert_eq!((admitted, listed.len()), (5, 5));
    }

    async fn s2_one_cookie_is_superseded_once_however_many_tabs_sign_in(database: Migrated) {
        let nodes = two_nodes(&database, policy().unlimited().store_timeout(SECOND * 600).lease_term(SECOND * 4800)).await;
        let first = nodes[0].sign_in().await;
        let cookie = Some(first.secret.digest());
        let logins: Vec<_> = (0..16)
            .map(|n| {
                let world = nodes[n % 2].clone();
                let login = world.login("ann").supersedes(cookie);
                tokio::spawn(async move { world.manager.sign_in(login).await.unwrap().ended.len() })
            })
            .collect();
        let mut ended = 0;
        for login in logins {
            ended += login.await.unwrap();
        }
        assert_eq!(ended, 1);
        assert_eq!(nodes[1].end_reason(first.session.id).await, Some(EndReason::Superseded));
        assert_eq!(nodes[1].outbox().await, ["rt-1"]);
    }

    async fn f10_clients_that_disconnect_lose_nothing(database: Migrated) {
        let [here, there] = two_nodes(&database, policy().store_timeout(SECOND * 600).lease_term(SECOND * 4800)).await;
        let laptop = here.sign_in().await;
        for round in 2..6 {
            here.clock.advance(LIFETIME);
            here.provider.answers().close();
            let callers: Vec<_> = (0..8).map(|_| here.token_later(&laptop)).collect();
            here.provider.answers().until_held(1).await;
            callers.iter().for_each(tokio::task::JoinHandle::abort);
            here.provider.answers().open();
            let token = format!("at-{round}");
            until_real("the renewed token is stored", async || {
                here.stored(&laptop).await.access_token() == token
            })
            .await;
            assert_eq!(with_time(&there, there.token(&laptop)).await.unwrap(), token);
        }
        assert_eq!((here.provider.renewals(), here.provider.reuses()), (4, 0));
    }

    async fn f13_ended_while_its_renewal_is_in_flight_it_stays_ended(database: Migrated) {
        let [here, there] = two_nodes(&database, policy().store_timeout(SECOND * 600).lease_term(SECOND * 4800)).await;
        let (laptop, phone) = (here.sign_in().await, here.sign_in().await);
        here.clock.advance(LIFETIME);
        here.provider.answers().close();
        let waiting = here.token_later(&laptop);
        here.provider.answers().until_held(1).await;
        there.manager.end_one(&sample::user("ann"), laptop.session.id).await.unwrap();
        here.provider.answers().open();
        let error = with_time(&here, waiting).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::RevokedByUser));
        let row = here.row(laptop.session.id).await;
        assert_eq!((row.tokens, row.lease), (None, None));
        assert_eq!(row.session.ended.unwrap().reason, EndReason::RevokedByUser);
        let mut outbox = there.outbox().await;
        outbox.sort_unstable();
        assert_eq!(outbox, ["rt-1", "rt-3"]);
        assert_eq!(there.manager.process_revocations(10).await.unwrap().revoked, 2);
        assert!(here.provider.accepts(&refresh_token(&here, &phone).await));
    }

    async fn law_3_ends_and_renewals_that_race_leave_no_session_in_between(database: Migrated) {
        let patient = policy().unlimited().store_timeout(SECOND * 600).lease_term(SECOND * 4800);
        let [here, there] = two_nodes(&database, patient).await;
        let mut devices = Vec::new();
        for _ in 0..24 {
            devices.push(here.sign_in().await);
        }
        here.clock.advance(LIFETIME);
        let renewals: Vec<_> = devices.iter().map(|device| {
            let (manager, id) = (here.manager.clone(), device.session.id);
            tokio::spawn(async move { manager.access_token(&sample::user("ann"), id).await.is_ok() })
        }).collect();
        for device in &devices {
            assert!(there.manager.sign_out(&device.session.user, device.session.id).await.unwrap());
        }
        for renewal in renewals {
            let _ = with_time(&here, renewal).await.unwrap();
        }
        for device in &devices {
            let row = here.row(device.session.id).await;
            assert_eq!(row.session.ended.unwrap().reason, EndReason::SignedOut);
            assert_eq!((row.tokens, row.lease), (None, None));
        }
        // What a session held when it ended, and what came too late for it, is to be revoked.
        let sent = here.provider.sent();
        let outbox = there.outbox().await;
        assert!(outbox.len() >= 24, "{outbox:?}");
        while there.manager.process_revocations(100).await.unwrap().revoked > 0 {}
        for token in sent.iter().chain(&outbox) {
            assert!(!here.provider.accepts(token), "{token} is still good");
        }
    }

    async fn law_5_a_database_outage_after_the_rotation_loses_nothing(database: Migrated) {
        let patient = policy().max_renewal_wait(SECOND * 3600);
        let link = database.link().await;
        let here = World::on(behind(&link).await, patient, detecting()).await;
        let there = here.another_on(behind(&link).await, here.clock.clone()).await;
        let laptop = here.sign_in().await;
        here.clock.advance(LIFETIME);
        here.provider.answers().close();
        let first = here.token_later(&laptop);
        here.provider.answers().until_held(1).await;
        let second = there.token_later(&laptop);
        let watches = async || there.store.calls(Method::Find) >= 3;
        with_time(&here, until_real("the other node watches the lease", watches)).await;

        let outage = link.cut().await;
        here.provider.answers().open();
        pass(&here, TERM * 3).await;
        assert!(!first.is_finished() && !second.is_finished(), "a token before it is durable");
        outage.restore().await;

        assert_eq!(with_time(&here, first).await.unwrap().unwrap(), "at-2");
        assert_eq!(with_time(&here, second).await.unwrap().unwrap(), "at-2");
        assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
        assert_eq!(here.end_reason(laptop.session.id).await, None);
        assert!(here.provider.accepts(&refresh_token(&here, &laptop).await));
    }

    async fn law_4_a_node_that_is_cut_off_for_less_than_a_term_keeps_its_lease(database: Migrated) {
        let patient = policy().max_renewal_wait(SECOND * 3600);
        let link = database.link().await;
        let here = World::on(behind(&link).await, patient, detecting()).await;
        // The link of the other node stays; but an SQLite file has one lock for all.
        let there = here.another_on(pool(&database).await, here.clock.clone()).await;
        let laptop = here.sign_in().await;
        here.clock.advance(LIFETIME);
        here.provider.answers().close();
        let first = here.token_later(&laptop);
        here.provider.answers().until_held(1).await;
        let second = there.token_later(&laptop);
        let watches = async || there.store.calls(Method::Find) >= 3;
        with_time(&here, until_real("the other node watches the lease", watches)).await;

        let outage = link.cut().await;
        here.provider.answers().open();
        pass(&here, TERM / 2).await;
        outage.restore().await;
        for waiting in [first, second] {
            assert_eq!(with_time(&here, waiting).await.unwrap().unwrap(), "at-2");
        }
        assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
    }

    async fn f6_a_cut_before_the_renewal_keeps_the_session(database: Migrated) {
        let link = database.link().await;
        let here = World::on(behind(&link).await, policy(), detecting()).await;
        let laptop = here.sign_in().await;
        let held = here.live(&laptop).await;
        here.clock.advance(LIFETIME);
        let outage = link.cut().await;
        let error = with_time(&here, here.manager.with_valid_token(&held)).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        let closed = with_time(&here, here.manager.resolve(&laptop.secret.digest(), None)).await;
        assert!(closed.unwrap_err().is_transient(), "closed, never anonymous");
        outage.restore().await;
        // After several slow failures one call a second looks whether the store is back.
        here.clock.advance(SECOND);
        assert_eq!(with_time(&here, here.token(&laptop)).await.unwrap(), "at-2");
    }

    async fn of_many_simultaneous_rotations_one_returns_the_secret(database: Migrated) {
        use session_core::manager::{Resolution, Rotation};
        let nodes = two_nodes(&database, policy().store_timeout(SECOND * 600).lease_term(SECOND * 4800)).await;
        let laptop = nodes[0].sign_in().await;
        let rotations: Vec<_> = (0..24)
            .map(|n| {
                let (manager, id) = (nodes[n % 2].manager.clone(), laptop.session.id);
                tokio::spawn(async move { manager.rotate_secret(&sample::user("ann"), id).await.unwrap() })
            })
            .collect();
        let mut secrets = Vec::new();
        for rotation in rotations {
            if let Rotation::Rotated { secret, .. } = rotation.await.unwrap() {
                secrets.push(secret);
            }
        }
        assert_eq!(secrets.len(), 1);
        for digest in [secrets[0].digest(), laptop.secret.digest()] {
            let resolution = nodes[1].manager.resolve(&digest, None).await.unwrap();
            assert!(matches!(resolution, Resolution::Live(_)), "{resolution:?}");
        }
    }

    async fn v1_two_nodes_that_process_one_outbox_revoke_each_token_once(database: Migrated) {
        let nodes = two_nodes(&database, policy().unlimited().store_timeout(SECOND * 600).lease_term(SECOND * 4800)).await;
        for _ in 0..30 {
            nodes[0].sign_in().await;
        }
        let ann = sample::user("ann");
        assert_eq!(nodes[0].manager.end_all(&ann, None, EndReason::SignedOut).await.unwrap(), 30);
        let work = nodes.clone().map(|node| {
            tokio::spawn(async move {
                let mut revoked = 0;
                while let done = node.manager.process_revocations(100).await.unwrap().revoked
                    && done > 0
                {
                    revoked += done;
                }
                revoked
            })
        });
        let mut revoked = 0;
        for work in work {
            revoked += work.await.unwrap();
        }
        assert_eq!((revoked, nodes[0].provider.revocations()), (30, 30));
    }
}

/// One node's clock is a minute behind; the cap is far below the number of logins.
async fn simultaneous_logins(database: &Database) {
    let capped = policy().max_sessions(4).store_timeout(SECOND * 600).lease_term(SECOND * 4800);
    let here = World::on(pool(database).await, capped, detecting()).await;
    let behind = here.clock.node_behind(SECOND * 60);
    let there = here.another_on(pool(database).await, behind).await;
    let logins: Vec<_> = (0..64)
        .map(|n| {
            let world = if n % 2 == 0 { here.clone() } else { there.clone() };
            tokio::spawn(async move { world.sign_in().await })
        })
        .collect();
    let mut evicted = 0;
    for login in logins {
        let signed_in = login.await.unwrap();
        assert!(signed_in.ended.iter().all(|ended| ended.reason == EndReason::Evicted));
        assert!(signed_in.ended.iter().all(|ended| ended.id != signed_in.session.id));
        evicted += signed_in.ended.len();
    }
    for world in [&here, &there] {
        let listed = world.manager.list(&sample::user("ann"), None).await.unwrap();
        assert_eq!((listed.len(), evicted), (4, 60), "{}", database.kind());
    }
    // The last to come in stays, whichever node it came in at.
    let last = there.sign_in().await;
    assert_eq!(last.ended.len(), 1);
    for _ in 0..3 {
        here.sign_in().await;
    }
    assert_eq!(here.end_reason(last.session.id).await, None, "the clock behind made it the oldest");
    here.sign_in().await;
    assert_eq!(here.end_reason(last.session.id).await, Some(EndReason::Evicted));
}

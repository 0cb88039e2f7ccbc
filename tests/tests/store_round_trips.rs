//! How often a call waits for the server: the messages on the wire that await an answer, counted
//! by a proxy that reads the protocol. The message by which SQLx tests a connection that goes back
//! to its pool is one of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::future::Future;
use std::sync::Arc;

use crate::store_support::counter::Counter;
use crate::store_support::migrated;
use session_core::manager::SignedIn;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::ScriptedProvider;
use session_tests::database::{Database, Kind};
use session_tests::manager::{LIFETIME, World, policy};
use uuid::Uuid;

/// How often a call is repeated to get its mean: the last answer may be counted late.
const CALLS: u64 = 20;

/// A node whose one connection is counted.
struct Stage {
    world: World,
    counter: Counter,
    _database: Database,
}

impl Stage {
    async fn on(kind: Kind) -> Self {
        let database = migrated(kind).await;
        let counter = Counter::before(database.url(), kind).await;
        let mut options = sea_orm::ConnectOptions::new(counter.url());
        options.max_connections(1);
        let store = SeaOrmStore::connect_options(options).await.unwrap();
        let policy = policy()
            .max_sessions(2)
            .without_idle_timeout()
            .without_absolute_timeout()
            .touch_interval(LIFETIME * 1000);
        let world = World::on(Arc::new(store), policy, ScriptedProvider::new()).await;
        Self { world, counter, _database: database }
    }

    /// Returns the messages of one call, once every statement of it is prepared.
    async fn mean<F: Future<Output = ()>>(&self, call: impl Fn() -> F) -> u64 {
        for _ in 0..3 {
            call().await;
        }
        let before = self.counter.messages();
        for _ in 0..CALLS {
            call().await;
        }
        (self.counter.messages() - before + CALLS / 2) / CALLS
    }

    async fn sign_in(&self) -> SignedIn {
        self.world.sign_in().await
    }

    /// A login that evicts a session.
    async fn login(&self) -> u64 {
        for _ in 0..2 {
            self.sign_in().await;
        }
        self.mean(|| async { drop(self.sign_in().await) }).await
    }

    async fn end(&self) -> u64 {
        let login = self.mean(|| async { drop(self.sign_in_another().await) }).await;
        let both = self.mean(|| async {
            let session = self.sign_in_another().await.session;
            assert!(self.world.manager.sign_out(&session.user, session.id).await.unwrap());
        });
        both.await - login
    }

    /// A login that evicts no session.
    async fn sign_in_another(&self) -> SignedIn {
        self.world.sign_in_as(&Uuid::now_v7().to_string()).await
    }

    async fn renewal(&self) -> u64 {
        let laptop = &self.sign_in().await;
        let resolve = self.mean(|| async { drop(self.world.live(laptop).await) }).await;
        let renew = self.mean(|| async {
            self.world.clock.advance(LIFETIME);
            self.world.token(laptop).await.unwrap();
        });
        let both = renew.await;
        let renewals = self.world.provider.renewals();
        assert!(renewals >= usize::try_from(CALLS).unwrap(), "{renewals} renewals");
        both - resolve
    }
}

/// Checks that a login at the cap, an end and a renewal send at most so many messages.
async fn check(kind: Kind, most: [u64; 3]) {
    if !kind.is_available() {
        return;
    }
    let stage = Stage::on(kind).await;
    let sent = [stage.login().await, stage.end().await, stage.renewal().await];
    let is_within = sent.iter().zip(most).all(|(sent, most)| (1..=most).contains(sent));
    assert!(is_within, "{kind}: login, end and renewal send {sent:?}, more than {most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_messages_await_an_answer_of_postgres() {
    check(Kind::Postgres, [3, 2, 6]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_messages_await_an_answer_of_mariadb() {
    check(Kind::MariaDb, [6, 4, 8]).await;
}

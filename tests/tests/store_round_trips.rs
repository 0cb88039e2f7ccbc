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
use sea_orm::DatabaseConnection;
use session_core::middleware::SessionManagerExt as _;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::ScriptedProvider;
use session_tests::database::{Database, Kind};
use session_tests::manager::{LIFETIME, World, policy};

/// How often a call is repeated, so that every statement of the last one is prepared.
const WARM: usize = 5;

/// A node whose one connection is counted.
struct Stage {
    world: World,
    pool: DatabaseConnection,
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
        let pool = store.connection().clone();
        let policy = policy()
            .max_sessions(2)
            .without_idle_timeout()
            .without_absolute_timeout()
            .touch_interval(LIFETIME * 1000);
        let world = World::on(Arc::new(store), policy, ScriptedProvider::new()).await;
        Self { world, pool, counter, _database: database }
    }

    /// Returns the messages of a call that nothing precedes or follows.
    async fn messages<T>(&self, call: impl Future<Output = T>) -> (u64, T) {
        self.idle().await;
        let before = self.counter.messages();
        let done = call.await;
        self.idle().await;
        (self.counter.messages() - before, done)
    }

    /// Waits until the connection has gone back to the pool.
    async fn idle(&self) {
        let idle = || match self.counter.kind() {
            Kind::Postgres => self.pool.get_postgres_connection_pool().num_idle(),
            _ => self.pool.get_mysql_connection_pool().num_idle(),
        };
        while idle() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// A login that evicts a session.
    async fn login(&self) -> u64 {
        let mut last = 0;
        for _ in 0..WARM {
            last = self.messages(self.world.sign_in()).await.0;
        }
        last
    }

    async fn end(&self) -> u64 {
        let mut last = 0;
        for _ in 0..WARM {
            let session = self.world.sign_in().await.session;
            let sign_out = self.world.manager.sign_out(&session.user, session.id);
            let (messages, is_ended) = self.messages(sign_out).await;
            assert!(is_ended.unwrap());
            last = messages;
        }
        last
    }

    async fn renewal(&self) -> u64 {
        let laptop = &self.world.sign_in().await;
        let mut last = 0;
        for _ in 0..WARM {
            self.world.clock.advance(LIFETIME);
            let live = self.world.live(laptop).await;
            let before = self.world.provider.renewals();
            let renewal = self.world.manager.with_valid_token(&live);
            let (messages, renewed) = self.messages(renewal).await;
            renewed.unwrap();
            assert_eq!(self.world.provider.renewals(), before + 1);
            last = messages;
        }
        last
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
    check(Kind::Postgres, [3, 2, 5]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_messages_await_an_answer_of_mariadb() {
    check(Kind::MariaDb, [6, 4, 7]).await;
}

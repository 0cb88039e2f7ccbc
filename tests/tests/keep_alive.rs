//! Keep-alive of tool clients' connections that nothing uses: months of three nodes over one store, by
//! a clock of the test.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use session_core::policy::{Rule, SessionPolicy};
use session_core::store::memory::MemoryStore;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::store::{TimeoutBasis, TimeoutQuery};
use session_core::testing::{ScriptedProvider, sample};
use session_core::{EndReason, SessionId, SessionStore, Timestamp};
use session_tests::database::{Database, Kind};
use session_tests::manager::World;
use tokio::runtime::Runtime;

const DAY: Duration = Duration::from_secs(24 * 3600);
const STEP: Duration = Duration::from_secs(12 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// One story: so many connections, renewed at this interval, for 90 days.
struct Story {
    interval: Duration,
    world: World,
    /// The nodes that live, all but the one that dies.
    nodes: Vec<World>,
    /// The last renewal of each connection, or its creation.
    renewed: HashMap<SessionId, Timestamp>,
    renewals: usize,
}

/// Where the sessions are, for one node of its own.
async fn sessions(database: Option<&Database>, memory: &MemoryStore) -> Arc<dyn SessionStore> {
    let Some(database) = database else { return Arc::new(memory.clone()) };
    let connection = database.connect_with(|options| {
        options.max_connections(4).acquire_timeout(MINUTE);
        options.map_sqlx_sqlite_opts(|sqlite| {
            sqlite.busy_timeout(MINUTE).pragma("synchronous", "OFF")
        });
    });
    Arc::new(SeaOrmStore::new(connection.await))
}

/// Returns when something is done, while the clock moves: much faster than the machine's, so that
/// the policy's timeouts are long.
async fn passing<T>(world: &World, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(Duration::from_millis(5)) => world.clock.advance(MINUTE / 3),
        }
    }
}

impl Story {
    async fn begin(stores: [Arc<dyn SessionStore>; 2], count: usize, interval: Duration) -> Self {
        let hour = MINUTE * 60;
        let tools = Rule::for_provider("mcp:*").without_idle_timeout().absolute_timeout(DAY * 400);
        let policy = SessionPolicy::builder()
            .rule(tools.keep_alive(interval))
            .provider_timeout(hour / 2)
            .store_timeout(hour / 2)
            .lease_term(hour * 4);
        let provider = ScriptedProvider::new().with_reuse_detection().with_lifetime(Some(DAY));
        let [first, second] = stores;
        let world = World::on(first, policy, provider).await;
        let other = world.another_on(second, world.clock.clone()).await;
        let mut renewed = HashMap::new();
        for number in 0..count {
            let user = sample::user(&format!("user-{number}"));
            let name = sample::provider(&format!("mcp:tool-{}", number % 5));
            let tokens = world.provider.sign_in();
            let connected = world.manager.connect(&user, &name, tokens).await.unwrap();
            renewed.insert(connected.session.id, connected.session.created_at);
        }
        let nodes = vec![world.clone(), other];
        Self { interval, world, nodes, renewed, renewals: 0 }
    }

    /// Lets the nodes that live do their work at the same time.
    async fn renew(&self) {
        let all = self.nodes.iter().map(|node| node.manager.renew_connections());
        for renewed in passing(&self.world, futures_util::future::join_all(all)).await {
            renewed.unwrap();
        }
    }

    /// Checks what was renewed since a moment: each in its interval, once; and none is overdue.
    async fn check(&mut self, since: Timestamp, interrupted: usize) {
        let nil = SessionId::from_uuid(uuid::Uuid::nil());
        let by = TimeoutBasis::ConnectionRenewed;
        let now = self.world.manager.now();
        let list = |query| self.world.sessions().list_timeout_candidates(query);
        let query = TimeoutQuery::new(by, now, u64::from(u32::MAX));
        let renewed = list(query.after(Some((since, nil)))).await.unwrap();
        for session in &renewed {
            let at = session.renewed_at.unwrap();
            let before = self.renewed.insert(session.id, at).unwrap();
            let passed = at.since(before);
            let earliest = self.interval - self.interval / 8;
            assert!(passed >= earliest, "{} after {passed:?}", session.id);
            assert!(passed <= self.interval + STEP * 2, "{} after {passed:?}", session.id);
        }
        let asked = self.world.provider.renewals() - self.renewals - interrupted;
        assert_eq!(asked, renewed.len(), "each of them once");
        self.renewals = self.world.provider.renewals();
        let overdue = list(TimeoutQuery::new(by, now - self.interval - STEP, 10)).await.unwrap();
        assert!(overdue.is_empty(), "{overdue:?}");
    }
}

/// Lets a node begin its work, and stops it while requests of it are on the way; returns how many, or
/// the node's runtime if it had nothing to do.
fn dies_in_the_middle(runtime: Runtime, dying: &World) -> Result<usize, Runtime> {
    let requests = dying.provider.requests();
    requests.close();
    let held = runtime.block_on(async {
        let manager = dying.manager.clone();
        let work = tokio::spawn(async move { manager.renew_connections().await });
        while requests.held() == 0 && !work.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        requests.held()
    });
    let result = if held == 0 { Err(runtime) } else { Ok(held) };
    // The tasks of a runtime that is dropped stop where they wait.
    requests.open();
    result
}

/// Lets 90 days pass for three nodes, one of which dies in the middle; returns how many renewals there
/// were.
fn ninety_days(kind: Option<Kind>, count: usize, interval: Duration) -> usize {
    let (main, memory) = (runtime(), MemoryStore::new());
    let database = kind.map(|kind| main.block_on(Database::migrated(kind)));
    let mut story = main.block_on(async {
        let first = sessions(database.as_ref(), &memory).await;
        let second = sessions(database.as_ref(), &memory).await;
        Story::begin([first, second], count, interval).await
    });
    let mut mortal = Some(runtime());
    let dying = mortal.as_ref().unwrap().block_on(async {
        let store = sessions(database.as_ref(), &memory).await;
        story.world.another_on(store, story.world.clock.clone()).await
    });
    for step in 0..180 {
        let since = story.world.manager.now() + MINUTE / 60;
        story.world.clock.advance(STEP);
        let mut interrupted = 0;
        if let Some(runtime) = mortal.take_if(|_| step > 60) {
            match dies_in_the_middle(runtime, &dying) {
                Ok(held) => interrupted = held,
                Err(runtime) => mortal = Some(runtime),
            }
        } else if let Some(runtime) = mortal.as_ref().filter(|_| step % 3 == 0) {
            runtime.block_on(passing(&dying, dying.manager.renew_connections())).unwrap();
        }
        main.block_on(story.renew());
        main.block_on(story.check(since, interrupted));
    }
    assert!(mortal.is_none(), "the node has died");
    main.block_on(story.end(count));
    story.renewals
}

impl Story {
    async fn end(&self, count: usize) {
        assert_eq!(self.world.provider.reuses(), 0, "no refresh token was sent twice");
        let by = TimeoutBasis::ConnectionRenewed;
        let query = TimeoutQuery::new(by, self.world.manager.now(), u64::from(u32::MAX));
        let live = self.world.sessions().list_timeout_candidates(query).await.unwrap();
        assert_eq!((live.len(), self.renewed.len()), (count, count), "none was lost");
        assert!(live.iter().all(|session| session.last_seen_at == session.created_at), "no use");
    }
}

/// The number of connections: `SESSION_TEST_CONNECTIONS=10000` takes minutes.
fn connections() -> usize {
    let given = std::env::var("SESSION_TEST_CONNECTIONS").ok();
    given.map_or(1000, |number| number.parse().unwrap())
}

#[test]
fn connections_are_each_renewed_once_in_their_interval() {
    let renewals = ninety_days(None, connections(), DAY * 20);
    assert!((4..6).contains(&(renewals / connections())), "{renewals}");
}

#[test]
fn connections_are_each_renewed_once_in_their_interval_on_sqlite() {
    let renewals = ninety_days(Some(Kind::Sqlite), connections(), DAY * 40);
    assert!((2..3).contains(&(renewals / connections())), "{renewals}");
}

#[test]
fn connections_are_each_renewed_once_in_their_interval_on_the_servers() {
    for kind in Kind::available().into_iter().filter(|kind| *kind != Kind::Sqlite) {
        let count = connections() / 10;
        let renewals = ninety_days(Some(kind), count, DAY * 20);
        assert!((4..6).contains(&(renewals / count)), "{kind}: {renewals}");
    }
}

/// A node with two connections, of which one provider is kept alive until an absolute end.
async fn kept() -> (World, SessionId, SessionId) {
    let tools = Rule::for_provider("mcp:files").without_idle_timeout().keep_alive(DAY * 7);
    let policy = SessionPolicy::builder().rule(tools.absolute_timeout(DAY * 30)).max_sessions(5);
    let world = World::of(policy, ScriptedProvider::new().with_reuse_detection()).await;
    let connect = async |name: &str| {
        let (tokens, ann) = (world.provider.sign_in(), sample::user("ann"));
        world.manager.connect(&ann, &sample::provider(name), tokens).await.unwrap().session.id
    };
    let (files, mail) = (connect("mcp:files").await, connect("mcp:mail").await);
    (world, files, mail)
}

#[tokio::test]
async fn only_what_a_rule_names_is_kept_and_only_until_its_absolute_end() {
    let (world, files, mail) = kept().await;
    world.sign_in().await;
    for day in 1..=40 {
        world.clock.advance(DAY);
        world.manager.renew_connections().await.unwrap();
        if day < 30 {
            let since = world.row(files).await.session.connection_renewed_at().unwrap();
            assert!(world.manager.now().since(since) <= DAY * 7, "day {day}");
        }
    }
    let renewed_at = world.row(files).await.session.renewed_at.unwrap();
    assert!(renewed_at.since(world.row(files).await.session.created_at) < DAY * 30, "no later");
    assert_eq!(world.row(mail).await.session.renewed_at, None);
    assert!((4..=5).contains(&world.provider.renewals()));
    world.manager.purge().await.unwrap();
    assert_eq!(world.end_reason(files).await, Some(EndReason::Absolute));
}

#[tokio::test]
async fn a_connection_that_is_used_is_not_renewed_in_the_background() {
    let (world, files, _) = kept().await;
    for _ in 0..20 {
        world.clock.advance(DAY);
        world.manager.access_token(&sample::user("ann"), files).await.unwrap();
        let renewals = world.provider.renewals();
        assert_eq!(world.manager.renew_connections().await.unwrap(), 0);
        assert_eq!(world.provider.renewals(), renewals);
    }
}

#[tokio::test]
async fn maintenance_renews_once_on_three_nodes_and_not_by_a_clock_that_is_alone() {
    let (world, files, _) = kept().await;
    let nodes = [world.clone(), world.another().await, world.another().await];
    let _running: Vec<_> = nodes.iter().map(|node| node.manager.maintain(MINUTE * 60)).collect();
    for _ in 0..24 * 15 {
        world.clock.advance(MINUTE * 60);
        session_tests::manager::settle().await;
    }
    assert_eq!(world.provider.renewals(), 2, "twice in fifteen days");
    assert!(world.row(files).await.session.renewed_at.is_some());
}

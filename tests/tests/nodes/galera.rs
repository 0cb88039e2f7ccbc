//! Three nodes of a Galera cluster, each written through by another node of ours: what has not arrived
//! yet is waited for, and the cap holds.

use std::sync::Arc;

use sea_orm::{ConnectOptions, ConnectionTrait as _, Database as Connector, DatabaseConnection};
use session_core::manager::Resolution;
use session_core::policy::PolicyBuilder;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::{ScriptedProvider, sample};
use session_tests::database::galera_urls;
use session_tests::manager::{World, policy, until_real};

/// A database that all nodes of the cluster have.
struct Cluster {
    urls: Vec<String>,
    name: String,
}

impl Cluster {
    /// Creates the tables; `None` if no cluster was started.
    async fn migrated() -> Option<Self> {
        let servers = galera_urls()?;
        let name = format!("session_test_{}", uuid::Uuid::now_v7().simple());
        let first = Connector::connect(&servers[0]).await.unwrap();
        first.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        let urls: Vec<_> = servers
            .iter()
            .map(|url| format!("{}/{name}", url.rsplit_once('/').unwrap().0))
            .collect();
        session_migrate::up(&urls[0]).await.unwrap();
        let cluster = Self { urls, name };
        for node in 1..cluster.urls.len() {
            // The tables arrive like everything else.
            let node = cluster.admin(node).await;
            let waiting =
                "SET STATEMENT wsrep_sync_wait = 1 FOR SELECT COUNT(*) FROM login_session";
            until_real("the tables have arrived", async || {
                node.execute_unprepared(waiting).await.is_ok()
            })
            .await;
        }
        Some(cluster)
    }

    async fn store(&self, node: usize) -> SeaOrmStore {
        SeaOrmStore::connect(self.urls[node].as_str()).await.unwrap()
    }

    /// A connection of the test's own.
    async fn admin(&self, node: usize) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.urls[node]);
        options.max_connections(1).sqlx_logging(false);
        Connector::connect(options).await.unwrap()
    }

    /// One of our nodes for each node of the cluster.
    async fn nodes(&self, policy: PolicyBuilder) -> Vec<World> {
        let first = Arc::new(self.store(0).await);
        let mut nodes = vec![World::on(first, policy, ScriptedProvider::new()).await];
        for node in 1..self.urls.len() {
            let store = Arc::new(self.store(node).await);
            let clock = nodes[0].clock.clone();
            nodes.push(nodes[0].another_on(store, clock).await);
        }
        nodes
    }

    /// Waits until a statement of ours waits on this node.
    async fn until_waiting(&self, admin: &DatabaseConnection) {
        let sql = format!(
            "SELECT 1 FROM information_schema.processlist WHERE db = '{}' \
             AND info LIKE 'SET STATEMENT wsrep_sync_wait%'",
            self.name
        );
        until_real("a lookup waits", async || {
            let statement =
                sea_orm::Statement::from_string(sea_orm::DbBackend::MySql, sql.as_str());
            admin.query_one_raw(statement).await.unwrap().is_some()
        })
        .await;
    }
}

/// Lets a node apply nothing of what others have committed, until it is told to go on.
async fn hold_back(admin: &DatabaseConnection) {
    admin.execute_unprepared("FLUSH TABLES WITH READ LOCK").await.unwrap();
}

async fn go_on(admin: &DatabaseConnection) {
    admin.execute_unprepared("UNLOCK TABLES").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_has_not_arrived_is_waited_for_and_not_unknown() {
    let Some(cluster) = Cluster::migrated().await else { return };
    let [here, there] = &cluster.nodes(policy()).await[..2] else { panic!("two nodes") };
    let (holding, looking) = (cluster.admin(1).await, cluster.admin(1).await);
    hold_back(&holding).await;
    let laptop = here.sign_in().await;
    let (world, digest) = (there.clone(), laptop.secret.digest());
    let resolving =
        tokio::spawn(async move { world.manager.resolve(&digest, None).await.unwrap() });
    cluster.until_waiting(&looking).await;
    assert!(!resolving.is_finished());
    go_on(&holding).await;
    assert!(matches!(resolving.await.unwrap(), Resolution::Live(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_causal_reads_an_end_that_has_not_arrived_is_waited_for() {
    let Some(cluster) = Cluster::migrated().await else { return };
    let here = World::on(Arc::new(cluster.store(0).await), policy(), ScriptedProvider::new()).await;
    let causal = cluster.store(1).await.with_causal_reads();
    let there = here.another_on(Arc::new(causal), here.clock.clone()).await;
    let laptop = here.sign_in().await;
    there.live(&laptop).await;
    let (holding, looking) = (cluster.admin(1).await, cluster.admin(1).await);
    hold_back(&holding).await;
    here.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let (world, digest) = (there.clone(), laptop.secret.digest());
    let resolving =
        tokio::spawn(async move { world.manager.resolve(&digest, None).await.unwrap() });
    cluster.until_waiting(&looking).await;
    go_on(&holding).await;
    assert!(matches!(resolving.await.unwrap(), Resolution::Ended { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_sign_ins_is_found_on_every_node_at_once() {
    let Some(cluster) = Cluster::migrated().await else { return };
    let nodes = cluster.nodes(policy().unlimited()).await;
    for turn in 0..100 {
        let laptop = nodes[turn % 3].sign_in_as(&format!("user-{turn}")).await;
        for other in [1, 2] {
            nodes[(turn + other) % 3].live(&laptop).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f17_law_1_logins_at_once_over_all_nodes_never_exceed_the_cap() {
    let Some(cluster) = Cluster::migrated().await else { return };
    let nodes = cluster.nodes(policy().max_sessions(3)).await;
    let logins: Vec<_> = (0..30)
        .map(|turn| {
            let world = nodes[turn % 3].clone();
            tokio::spawn(async move { world.manager.sign_in(world.login("ann")).await })
        })
        .collect();
    let mut confirmed = 0;
    for login in logins {
        match login.await.unwrap() {
            Ok(_) => confirmed += 1,
            // The store gave up repeating: the user tries again.
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    let causal = cluster.admin(1).await;
    let waiting = "SET STATEMENT wsrep_sync_wait = 1 FOR SELECT COUNT(*) FROM login_session";
    causal.execute_unprepared(waiting).await.unwrap();
    let live = nodes[1].manager.list(&sample::user("ann"), None).await.unwrap();
    assert_eq!(live.len(), 3, "after {confirmed} logins");
}

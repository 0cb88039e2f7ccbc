//! Every store holds the laws: the suite of `session_core::testing::conformance`, law by law, on
//! two nodes with a pool each.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use async_trait::async_trait;
use session_core::SessionStore;
use session_core::store::memory::MemoryStore;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::conformance::{self, StoreUnderTest};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use tokio::sync::Mutex;

/// A database of its own for each case.
struct Databases {
    kind: Kind,
    /// That of the case that runs.
    current: Mutex<Option<Database>>,
}

#[async_trait]
impl StoreUnderTest for Databases {
    async fn nodes(&self) -> Vec<Arc<dyn SessionStore>> {
        let database = Database::create(self.kind).await;
        session_migrate::up(database.url()).await.unwrap();
        let mut nodes: Vec<Arc<dyn SessionStore>> = Vec::new();
        for _ in 0..2 {
            nodes.push(Arc::new(SeaOrmStore::connect(database.url()).await.unwrap()));
        }
        *self.current.lock().await = Some(database);
        nodes
    }
}

async fn holds(law: u8, kind: Kind) {
    let databases = Databases { kind, current: Mutex::new(None) };
    let ran = conformance::check_law(law, &databases).await.unwrap();
    assert!(ran > 0, "law {law} has no case");
}

on_every_database! {
    async fn law_1(kind: Kind) {
        holds(1, kind).await;
    }

    async fn law_2(kind: Kind) {
        holds(2, kind).await;
    }

    async fn law_3(kind: Kind) {
        holds(3, kind).await;
    }

    async fn law_4(kind: Kind) {
        holds(4, kind).await;
    }

    async fn law_5(kind: Kind) {
        holds(5, kind).await;
    }

    async fn law_6(kind: Kind) {
        holds(6, kind).await;
    }

    async fn law_7(kind: Kind) {
        holds(7, kind).await;
    }

    async fn law_8(kind: Kind) {
        holds(8, kind).await;
    }

    async fn law_9(kind: Kind) {
        holds(9, kind).await;
    }

    async fn law_10(kind: Kind) {
        holds(10, kind).await;
    }

    async fn law_11(kind: Kind) {
        holds(11, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_memory_holds_every_law() {
    let store = || async {
        let store = MemoryStore::new();
        let nodes: Vec<Arc<dyn SessionStore>> = vec![Arc::new(store.clone()), Arc::new(store)];
        nodes
    };
    let ran = conformance::check(&store).await.unwrap();
    assert_eq!(ran, conformance::cases().len());
}

#[test]
fn no_law_is_left_out() {
    let laws = conformance::cases().iter().map(conformance::Case::law).max();
    assert_eq!(laws, Some(11), "a test above for each law");
}

/// One connection is all that a database in memory has: whatever the store does at once must not
/// wait for a second one.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_in_memory_holds_every_law() {
    let store = || async {
        let store = SeaOrmStore::connect("sqlite::memory:").await.unwrap();
        session_migrate_up(&store).await;
        let nodes: Vec<Arc<dyn SessionStore>> = vec![Arc::new(store.clone()), Arc::new(store)];
        nodes
    };
    let ran = conformance::check(&store).await.unwrap();
    assert_eq!(ran, conformance::cases().len());
}

async fn session_migrate_up(store: &SeaOrmStore) {
    use sea_orm_migration::MigratorTrait as _;

    session_migrate::Migrator::up(store.connection(), None).await.unwrap();
}

//! Every store keeps the laws: runs the suite of `session_core::testing::conformance`, law by law, on
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

/// Provides a separate database for each case.
struct Databases {
    kind: Kind,
    /// The database of the current case.
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

async fn check(law: u8, kind: Kind) {
    let databases = Databases { kind, current: Mutex::new(None) };
    let ran = conformance::check_law(law, &databases).await.unwrap();
    assert!(ran > 0, "law {law} has no case");
}

on_every_database! {
    async fn law_1(kind: Kind) {
        check(1, kind).await;
    }

    async fn law_2(kind: Kind) {
        check(2, kind).await;
    }

    async fn law_3(kind: Kind) {
        check(3, kind).await;
    }

    async fn law_4(kind: Kind) {
        check(4, kind).await;
    }

    async fn law_5(kind: Kind) {
        check(5, kind).await;
    }

    async fn law_6(kind: Kind) {
        check(6, kind).await;
    }

    async fn law_7(kind: Kind) {
        check(7, kind).await;
    }

    async fn law_8(kind: Kind) {
        check(8, kind).await;
    }

    async fn law_9(kind: Kind) {
        check(9, kind).await;
    }

    async fn law_10(kind: Kind) {
        check(10, kind).await;
    }

    async fn law_11(kind: Kind) {
        check(11, kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_memory_keeps_every_law() {
    let store = || async {
        let store = MemoryStore::new();
        let nodes: Vec<Arc<dyn SessionStore>> = vec![Arc::new(store.clone()), Arc::new(store)];
        nodes
    };
    let ran = conformance::check(&store).await.unwrap();
    assert_eq!(ran, conformance::cases().len());
}

#[test]
fn every_law_has_a_test() {
    let laws = conformance::cases().iter().map(conformance::Case::law).max();
    assert_eq!(laws, Some(11), "each law with cases needs a test above");
}

/// A database in memory has one connection, so no call of the store may wait for a second one.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_in_memory_keeps_every_law() {
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

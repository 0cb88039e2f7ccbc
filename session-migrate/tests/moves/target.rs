//! The target, as the application sees it.

use std::sync::Arc;
use std::time::Duration;

use sea_orm_migration::sea_orm::DatabaseConnection;
use serde_json::Value;
use session_core::store::StoredSession;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::ScriptedProvider;
use session_core::{Session, SessionManager, SessionPolicy, SessionStore, TokenSet};
use session_tests::database::Database;

use crate::tool::keyring;

/// The sessions of a target, and a manager on it.
pub(crate) struct Target {
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) manager: SessionManager,
    pub(crate) provider: ScriptedProvider,
    connection: DatabaseConnection,
}

impl Target {
    pub(crate) async fn of(database: &Database) -> Self {
        Self::with(database, ScriptedProvider::new().with_reuse_detection()).await
    }

    /// Opens a target whose sessions are renewed by this provider.
    pub(crate) async fn with(database: &Database, provider: ScriptedProvider) -> Self {
        let connection = database
            .connect_with(|options| {
                options.max_connections(4);
                let minute = Duration::from_secs(60);
                options.map_sqlx_sqlite_opts(move |sqlite| sqlite.busy_timeout(minute));
            })
            .await;
        let store: Arc<dyn SessionStore> = Arc::new(SeaOrmStore::new(connection.clone()));
        let policy = SessionPolicy::builder()
            .store_timeout(Duration::from_secs(60))
            .lease_term(Duration::from_secs(480));
        let manager = SessionManager::builder(Arc::clone(&store))
            .policy(policy.build().unwrap())
            .keyring(keyring())
            .provider("*", provider.clone())
            .start();
        let manager = manager.await.unwrap();
        Self { store, manager, provider, connection }
    }

    /// Returns the session of a row that `verify --rows` lists, and its tokens.
    pub(crate) async fn row(&self, row: &Value) -> (StoredSession, TokenSet) {
        let id = row["id"].as_str().unwrap().parse().unwrap();
        let stored = self.store.find(id).await.unwrap().expect("a live row is in the target");
        let Session { id, user, provider, .. } = &stored.session;
        let sealed = stored.tokens.as_ref().expect("a live session's tokens");
        let tokens = TokenSet::open(sealed, &keyring(), *id, user, provider).unwrap();
        (stored, tokens)
    }

    /// Shuts the manager down.
    pub(crate) async fn close(self) {
        assert!(self.manager.shutdown(Duration::from_secs(30)).await);
        self.connection.close().await.unwrap();
    }
}

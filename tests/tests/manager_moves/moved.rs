//! A move and its migrated sessions.

use std::sync::Arc;

use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Query};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use session_core::policy::{PolicyBuilder, Verdict};
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::ScriptedProvider;
use session_core::testing::sample::{Login, now};
use session_core::{SessionStore, TokenSet};
use session_tests::database::Database;
use session_tests::manager::{LIFETIME, World, keyring, policy};
use uuid::Uuid;

/// A login by the other system, whose tokens the provider knows.
pub(crate) fn login(world: &World, user: &str) -> Login {
    let tokens = TokenSet::new(world.provider.sign_in(), now(), LIFETIME);
    Login::of(user, "okta").with_tokens(tokens).imported()
}

/// Puts a moved session in, as one that no move is known of.
pub(crate) async fn admit(world: &World, login: &Login) {
    let verdict = |_: &[_]| Verdict::Admit(Vec::new());
    let new = login.new_session_sealed_by(&keyring());
    world.sessions().admit(new, &verdict).await.unwrap();
}

/// A manager on a database, with a move there.
pub(crate) struct Moved {
    pub(crate) world: World,
    pool: DatabaseConnection,
    id: Uuid,
}

impl Moved {
    /// One with a move that is in this state.
    pub(crate) async fn on(database: &Database, state: &str) -> Self {
        let patient = policy().store_timeout(LIFETIME * 10_000).lease_term(LIFETIME * 80_000);
        Self::with(database, state, patient).await
    }

    async fn with(database: &Database, state: &str, policy: PolicyBuilder) -> Self {
        let pool = pool(database).await;
        let store: Arc<dyn SessionStore> = Arc::new(SeaOrmStore::new(pool.clone()));
        let provider = ScriptedProvider::new().with_reuse_detection();
        let world = World::on(store, policy, provider).await;
        let moved = Self { world, pool, id: Uuid::now_v7() };
        moved.begin(state).await;
        moved
    }

    /// Another node on the same database.
    pub(crate) async fn another(&self, database: &Database) -> World {
        let store = Arc::new(SeaOrmStore::new(pool(database).await));
        self.world.another_on(store, self.world.clock.clone()).await
    }

    async fn begin(&self, state: &str) {
        let at = now().as_millis();
        let columns = ["id", "state", "phase", "is_paused", "options", "progress"];
        let times = ["started_at", "updated_at", "worked_ms"];
        let begin = Query::insert()
            .into_table(Alias::new("session_move"))
            .columns(columns.into_iter().chain(times).map(Alias::new))
            .values_panic([
                Expr::val(self.id),
                Expr::val(state),
                Expr::val("fill"),
                Expr::val(0_i64),
                Expr::val("{}"),
                Expr::val("{}"),
                Expr::val(at),
                Expr::val(at),
                Expr::val(0_i64),
            ])
            .take();
        self.pool.execute(&begin).await.unwrap();
    }

    /// Brings a session here.
    pub(crate) async fn bring(&self, login: &Login) {
        admit(&self.world, login).await;
        let brought = Query::update()
            .table(Alias::new("login_session"))
            .value(Alias::new("moved_by"), self.id)
            .and_where(Expr::col(Alias::new("id")).eq(login.id().as_uuid()))
            .take();
        assert_eq!(self.pool.execute(&brought).await.unwrap().rows_affected(), 1);
    }

    /// Puts the move in another state.
    pub(crate) async fn go_on_to(&self, state: &str) {
        let to = Query::update()
            .table(Alias::new("session_move"))
            .value(Alias::new("state"), state)
            .and_where(Expr::col(Alias::new("id")).eq(self.id))
            .take();
        assert_eq!(self.pool.execute(&to).await.unwrap().rows_affected(), 1);
    }
}

async fn pool(database: &Database) -> DatabaseConnection {
    let minute = std::time::Duration::from_secs(60);
    let pool = database.connect_with(|options| {
        options.max_connections(8).test_before_acquire(false).acquire_timeout(minute);
        options.map_sqlx_sqlite_opts(move |sqlite| sqlite.busy_timeout(minute));
    });
    pool.await
}

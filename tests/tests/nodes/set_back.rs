//! A database that was set back, by a failover that lost commits or from a backup.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, Response, StatusCode};
use sea_orm::ConnectionTrait as _;
use session_core::SessionManager;
use session_core::manager::SignIn;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::testing::{FakeClock, sample};
use session_tests::database::Migrated;
use session_tests::manager::keyring;
use session_tests::on_every_database;
use session_tower::SessionLayer;
use tower::{Layer as _, ServiceExt as _, service_fn};

on_every_database! {
    async fn a_database_that_was_set_back_locks_no_one_out(database: Migrated) {
        let clock = FakeClock::new();
        let store = Arc::new(SeaOrmStore::connect(database.url()).await.unwrap());
        let builder = SessionManager::builder(store).keyring(keyring()).clock(clock.clone());
        let manager = builder.start().await.unwrap();
        let sign_in = SignIn::new(&sample::user("ann"), &sample::provider("okta"), sample::response());
        let secret = manager.sign_in(sign_in).await.unwrap().secret;
        let pool = database.connect().await;
        pool.execute_unprepared("UPDATE login_session SET revision = 7").await.unwrap();
        let handler = service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())));
        let service = SessionLayer::new(manager).layer(handler);
        let ask = async || {
            let cookie = format!("__Host-session={}", secret.expose());
            let request = Request::get("/").header("cookie", cookie).body(String::new()).unwrap();
            service.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(ask().await, StatusCode::OK);
        pool.execute_unprepared("UPDATE login_session SET revision = 6").await.unwrap();
        clock.advance(Duration::from_secs(6));
        assert_eq!(ask().await, StatusCode::OK, "what was cached counts no more");
    }
}

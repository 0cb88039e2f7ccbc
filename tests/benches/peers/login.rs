//! The number of database round trips of a login at the cap.

use sea_orm::{ConnectOptions, ConnectionTrait as _};
use session_core::manager::SignIn;
use session_core::store::sea_orm::SeaOrmStore;
use session_core::{ProviderName, SessionManager, SessionPolicy, TokenResponse, UserId};
use session_tests::database::{Database, Kind};

use crate::miss::keyring;

const CAP: u32 = 10;

/// Prints the round trips of one login that evicts the oldest of ten sessions, counted on the wire.
pub(crate) async fn print() {
    println!("a login at a cap of {CAP}, which evicts the oldest");
    for kind in Kind::available().into_iter().filter(|kind| *kind != Kind::Sqlite) {
        let database = Database::migrated(kind).await;
        let link = database.link().await;
        let pool = link.connect_with(one_connection).await;
        let policy = SessionPolicy::builder().max_sessions(CAP).build().unwrap();
        let store = SeaOrmStore::new(pool.clone());
        let manager =
            SessionManager::builder(store).policy(policy).keyring(keyring()).start().await.unwrap();
        // Two logins over the cap, so that every statement is prepared.
        for _ in 0..CAP + 2 {
            login(&manager).await;
        }
        let before = link.round_trips().unwrap();
        login(&manager).await;
        let of_login = link.round_trips().unwrap() - before;
        pool.execute_unprepared("SELECT 1").await.unwrap();
        let of_select = link.round_trips().unwrap() - before - of_login;
        println!("{:<44} {of_login:>6} round trips (a bare SELECT: {of_select})", kind.to_string());
    }
}

fn one_connection(options: &mut ConnectOptions) {
    options.max_connections(1);
}

async fn login(manager: &SessionManager) {
    let (user, provider) = (UserId::new("ann").unwrap(), ProviderName::new("okta").unwrap());
    let tokens = TokenResponse::bearer("at").with_refresh_token("rt");
    manager.sign_in(SignIn::new(&user, &provider, tokens)).await.unwrap();
}

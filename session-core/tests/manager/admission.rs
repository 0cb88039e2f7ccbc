//! A sign-in whose outcome is unknown, or that fails, leaves nothing behind.

use session_core::manager::{ManagerErrorKind, Resolution, SignIn};
use session_core::policy::OnFull;
use session_core::provider::RevocationScope;
use session_core::session::ProviderIdentity;
use session_core::store::memory::MemoryStore;
use session_core::testing::sample::{provider, user};
use session_core::testing::{Fault, Method, ScriptedProvider};
use session_core::{Keyring, SessionId, SessionManager, TokenResponse};

use crate::world::{MINUTE, SECOND, World, policy, settle};

#[tokio::test]
async fn a_provider_that_is_not_registered_fails_the_sign_in_and_not_the_first_renewal() {
    let keyring = Keyring::parse(&Keyring::generate_entry("one").unwrap()).unwrap();
    let manager = SessionManager::builder(MemoryStore::new())
        .keyring(keyring)
        .provider("okta", ScriptedProvider::new())
        .provider("mcp:*", ScriptedProvider::new())
        .start()
        .await
        .unwrap();
    let sign_in = |name: &str| {
        let tokens = TokenResponse::bearer("at").with_refresh_token("rt");
        let login = SignIn::new(&user("ann"), &provider(name), tokens);
        manager.sign_in(login)
    };
    let error = sign_in("otka").await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::UnknownProvider);
    assert!(!error.is_transient() && error.to_string().contains("ManagerBuilder::provider"));
    let (bearer, misspelt) = (TokenResponse::bearer("at"), provider("mpc:files"));
    let renewable = bearer.clone().with_refresh_token("rt");
    let error = manager.connect(&user("ann"), &misspelt, renewable).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::UnknownProvider);
    assert!(manager.connect(&user("ann"), &misspelt, bearer).await.is_ok(), "nothing is renewed");
    for known in ["okta", "mcp:files"] {
        sign_in(known).await.unwrap();
    }
}

#[tokio::test]
async fn l3_a_listed_session_serializes_to_what_its_user_may_see() {
    let world = World::of(ScriptedProvider::new()).await;
    let identity = ProviderIdentity { sid: Some("sid-1".to_owned()), ..Default::default() };
    let session = world.manager.sign_in(world.login("ann").identity(identity)).await.unwrap();
    let id = session.session.id;
    let listed = world.manager.list(&user("ann"), Some(id)).await.unwrap();
    let json = serde_json::to_value(&listed[0]).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "id": id.to_string(), "user": "ann", "provider": "okta", "device": "Unknown device",
            "origin": "login", "created_at": "2026-01-01T00:00:00.000Z",
            "last_seen_at": "2026-01-01T00:00:00.000Z", "is_current": true,
        })
    );
    assert_eq!(serde_json::from_value::<SessionId>(json["id"].clone()).unwrap(), id);
    assert!(serde_json::from_str::<SessionId>("\"ann\"").is_err());
}

fn revoking() -> ScriptedProvider {
    ScriptedProvider::new().with_lifetime(None).with_revocation_scope(RevocationScope::Token)
}

async fn live_sessions(world: &World) -> usize {
    world.manager.list(&user("ann"), None).await.unwrap().len()
}

#[tokio::test]
async fn law_1_a_late_admission_leaves_no_session_without_an_owner() {
    let world = World::with(policy().max_sessions(1), revoking()).await;
    world.store.set_next(Method::Admit, Fault::HangAfter);
    let (manager, login) = (world.manager.clone(), world.login("ann"));
    let late = tokio::spawn(async move { manager.sign_in(login).await.map(drop) });
    world.pass(MINUTE * 3, SECOND).await;
    assert!(late.await.unwrap().unwrap_err().is_transient());
    assert_eq!(live_sessions(&world).await, 0, "sessions without a cookie");
    assert_eq!(world.manager.process_revocations(10).await.unwrap().revoked, 1);
    assert!(!world.provider.accepts("rt-1"), "its refresh token lives at the provider");
}

#[tokio::test]
async fn law_1_a_caller_that_is_gone_leaves_no_session_without_an_owner() {
    let world = World::with(policy().max_sessions(1), revoking()).await;
    world.store.set_next(Method::Admit, Fault::HangAfter);
    let (manager, login) = (world.manager.clone(), world.login("ann"));
    let gone = tokio::spawn(async move { manager.sign_in(login).await.map(drop) });
    world.store.until_hanging(Method::Admit, 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    world.store.release(Method::Admit);
    world.pass(MINUTE * 3, SECOND).await;
    assert_eq!(live_sessions(&world).await, 0, "sessions without a cookie");
}

#[tokio::test]
async fn a_sign_in_that_fails_leaves_no_refresh_token_alive() {
    let world = World::with(policy().unlimited(), revoking()).await;
    world.store.set(Method::Admit, Fault::AWAY);
    let error = world.manager.sign_in(world.login("ann")).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Unavailable);
    world.pass(MINUTE * 5, SECOND).await;
    world.manager.process_revocations(10).await.unwrap();
    assert!(!world.provider.accepts("rt-1"), "its refresh token lives at the provider");
}

#[tokio::test]
async fn a_refresh_token_is_kept_for_revocation_through_an_outage() {
    let world = World::with(policy().unlimited(), revoking()).await;
    world.store.set_all(Fault::AWAY);
    assert!(world.manager.sign_in(world.login("ann")).await.is_err());
    world.pass(MINUTE * 30, SECOND * 5).await;
    world.store.clear_all();
    world.pass(MINUTE * 5, SECOND * 5).await;
    world.manager.process_revocations(10).await.unwrap();
    assert!(!world.provider.accepts("rt-1"), "its refresh token lives at the provider");
}

#[tokio::test]
async fn a_sign_in_that_the_cap_refuses_leaves_no_refresh_token_alive() {
    let world = World::with(policy().max_sessions(1).on_full(OnFull::Reject), revoking()).await;
    world.sign_in("ann").await;
    let error = world.manager.sign_in(world.login("ann")).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::LimitReached { live: 1 });
    world.pass(MINUTE * 5, SECOND).await;
    world.manager.process_revocations(10).await.unwrap();
    assert!(world.provider.accepts("rt-1"), "the session's own");
    assert!(!world.provider.accepts("rt-2"), "the refused one's");
}

#[tokio::test]
async fn law_2_a_cookie_that_was_rotated_away_ends_no_session() {
    let world = World::with(policy(), revoking()).await;
    let victim = world.sign_in("ann").await;
    let (user, id) = (&victim.session.user, victim.session.id);
    world.manager.rotate_secret(user, id).await.unwrap();
    world.clock.advance(MINUTE * 60 * 24);
    let old = victim.secret.digest();
    let resolution = world.manager.resolve(&old, None).await.unwrap();
    assert!(matches!(resolution, Resolution::Unknown));
    let other = world.manager.sign_in(world.login("bob").supersedes(Some(old))).await.unwrap();
    assert_eq!(other.ended, [], "ended by a cookie that is no longer accepted");
    assert!(world.row(&victim).await.session.is_live());
}

#[tokio::test]
async fn law_2_a_previous_cookie_that_is_still_accepted_supersedes() {
    let world = World::with(policy(), revoking()).await;
    let laptop = world.sign_in("ann").await;
    world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap();
    settle().await;
    world.clock.advance(MINUTE);
    let login = world.login("ann").supersedes(Some(laptop.secret.digest()));
    let again = world.manager.sign_in(login).await.unwrap();
    assert_eq!(again.ended.len(), 1);
}

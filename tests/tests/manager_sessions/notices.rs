//! What an operator is told: at the first sign-in, in a line with its cause, in numbers.

use std::time::Duration;

use session_core::manager::{ManagerErrorKind, SignIn};
use session_core::store::memory::MemoryStore;
use session_core::testing::{FakeClock, Fault, Method, sample};
use session_core::{Keyring, SessionManager, TokenResponse};
use session_tests::log::Warnings;
use session_tests::manager::{World, keyring, settle};

const HOUR: Duration = Duration::from_secs(3600);

fn expiring() -> TokenResponse {
    TokenResponse::bearer("at").with_expires_in(HOUR)
}

#[tokio::test]
async fn f25_a_missing_refresh_token_is_said_at_the_first_sign_in() {
    let world = World::new().await;
    let warnings = Warnings::of_this_thread();
    let (ann, okta) = (sample::user("ann"), sample::provider("okta"));
    let github = sample::provider("github");
    for _ in 0..3 {
        let without = world.manager.sign_in(SignIn::new(&ann, &okta, expiring())).await.unwrap();
        assert!(!without.has_refresh_token);
        let with = expiring().with_refresh_token("rt");
        assert!(
            world.manager.sign_in(SignIn::new(&ann, &okta, with)).await.unwrap().has_refresh_token
        );
        let endless = TokenResponse::bearer("at");
        world.manager.sign_in(SignIn::new(&ann, &github, endless)).await.unwrap();
    }
    assert_eq!(warnings.count("brought no refresh token"), 1, "once a provider");
    let connected = world.manager.connect(&ann, &sample::provider("mcp:x"), expiring()).await;
    assert!(!connected.unwrap().has_refresh_token);
    assert_eq!(warnings.count("brought no refresh token"), 2);
    assert_eq!(warnings.count("was not added"), 0);
}

#[tokio::test]
async fn a_provider_that_was_not_added_is_named_at_the_first_sign_in() {
    let manager = SessionManager::builder(MemoryStore::new())
        .keyring(keyring())
        .clock(FakeClock::new())
        .start()
        .await
        .unwrap();
    let warnings = Warnings::of_this_thread();
    for name in ["0kta", "0kta"] {
        let (ann, name) = (sample::user("ann"), sample::provider(name));
        manager.sign_in(SignIn::new(&ann, &name, sample::response())).await.unwrap();
    }
    assert_eq!(warnings.count("was not added"), 1);
    assert_eq!(warnings.count("provider=0kta"), 1);
}

#[tokio::test]
async fn a_line_of_the_log_has_the_cause() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.store.set(Method::Touch, Fault::HangBefore);
    world.clock.advance(HOUR);
    let warnings = Warnings::of_this_thread();
    world.live(&laptop).await;
    settle().await;
    world.clock.advance(Duration::from_secs(6));
    settle().await;
    assert_eq!(warnings.count("the session store is unavailable: no answer in time"), 1);
}

#[tokio::test]
async fn f35_unreadable_rows_are_counted() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    assert_eq!(world.manager.stats().unreadable_reads, 0);
    // A row that was copied under another id does not open.
    let other = Keyring::parse(&Keyring::generate_entry("node").unwrap()).unwrap();
    let bob = sample::Login::of("bob", "okta").new_session_sealed_by(&other);
    let id = bob.session.id;
    let admit = |_: &[session_core::policy::AdmittedSession]| {
        session_core::policy::Verdict::Admit(Vec::new())
    };
    world.sessions().admit(bob, &admit).await.unwrap();
    for count in 1..4 {
        assert!(world.manager.access_token(&sample::user("bob"), id).await.is_err());
        assert_eq!(world.manager.stats().unreadable_reads, count);
    }
    world.live(&laptop).await;
}

#[tokio::test]
async fn a_panic_is_not_called_a_shutdown() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (ann, id) = (&laptop.session.user, laptop.session.id);
    world.store.set_next(Method::End, Fault::Panic);
    let error = world.manager.sign_out(ann, id).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Panicked);
    assert!(!error.is_transient());
    assert!(world.manager.sign_out(ann, id).await.unwrap(), "the next call is served");
}

#[tokio::test]
async fn sessions_that_are_held_no_longer_take_no_memory() {
    let world = World::with(session_tests::manager::policy().unlimited()).await;
    let mut held = Vec::new();
    for _ in 0..3_000 {
        let device = world.sign_in().await;
        held.push(world.live(&device).await);
    }
    assert_eq!(world.manager.stats().held_sessions, 3_000);
    held.truncate(10);
    assert_eq!(world.manager.stats().held_sessions, 10);
}

//! Sign-ins: one more session, and only the sessions that the policy names are evicted (laws 1, 2).

use std::time::Duration;

use session_core::manager::{ManagerErrorKind, Resolution, SignedIn};
use session_core::policy::{OnFull, Rule};
use session_core::session::{Origin, ProviderIdentity, SecretDigest};
use session_core::testing::sample;
use session_core::{EndReason, SessionId};
use session_tests::manager::{World, policy};

const SECOND: Duration = Duration::from_secs(1);

async fn devices(world: &World, count: usize) -> Vec<SignedIn> {
    let mut devices = Vec::new();
    for _ in 0..count {
        devices.push(world.sign_in().await);
        world.clock.advance(SECOND);
    }
    devices
}

fn ended(signed_in: &SignedIn) -> Vec<(SessionId, EndReason)> {
    signed_in.ended.iter().map(|ended| (ended.id, ended.reason)).collect()
}

async fn live(world: &World) -> Vec<SessionId> {
    let listed = world.manager.list(&sample::user("ann"), None).await.unwrap();
    listed.into_iter().map(|listed| listed.session.id).collect()
}

#[tokio::test]
async fn f1_a_second_login_does_not_change_the_first_device() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let before = world.row(laptop.session.id).await;
    let phone = world.sign_in().await;
    assert_eq!(world.row(laptop.session.id).await, before);
    assert_ne!(laptop.secret.digest(), phone.secret.digest());
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
    assert_eq!(world.token(&phone).await.unwrap(), "at-2");
    assert_eq!(phone.session.origin, Origin::Login);
}

#[tokio::test]
async fn eleven_logins_under_the_default_policy_leave_ten_and_the_first_gets_the_reason() {
    let world = World::new().await;
    let devices = devices(&world, 11).await;
    assert_eq!(live(&world).await.len(), 10);
    assert_eq!(ended(&devices[10]), [(devices[0].session.id, EndReason::Evicted)]);
    let Resolution::Ended { id, ended } = world.resolve(&devices[0]).await else { panic!() };
    assert_eq!((id, ended.reason), (devices[0].session.id, EndReason::Evicted));
    for device in &devices[1..] {
        assert!(matches!(world.resolve(device).await, Resolution::Live(_)));
    }
}

#[tokio::test]
async fn the_least_recently_used_is_evicted_if_the_policy_says_so() {
    let lru = policy().max_sessions(3).on_full(OnFull::EvictLeastRecentlyUsed);
    let world = World::with(lru.touch_interval(SECOND)).await;
    let devices = devices(&world, 3).await;
    world.clock.advance(SECOND * 60);
    for used in [&devices[0], &devices[2]] {
        world.live(used).await;
    }
    session_tests::manager::settle().await;
    assert_eq!(ended(&world.sign_in().await), [(devices[1].session.id, EndReason::Evicted)]);
}

#[tokio::test]
async fn the_least_recently_used_is_evicted_by_activity_that_is_not_yet_written() {
    let lru = policy().max_sessions(3).on_full(OnFull::EvictLeastRecentlyUsed);
    let world = World::with(lru.touch_interval(SECOND * 600)).await;
    let devices = devices(&world, 3).await;
    world.clock.advance(SECOND * 60);
    // As a cache does, which holds what was used a moment ago.
    let _held = (world.live(&devices[0]).await, world.live(&devices[2]).await);
    assert_eq!(world.store.calls(session_core::testing::Method::Touch), 0);
    assert_eq!(ended(&world.sign_in().await), [(devices[1].session.id, EndReason::Evicted)]);
}

#[tokio::test]
async fn an_overlong_sid_of_a_provider_does_not_prevent_a_sign_in() {
    let world = World::with(policy()).await;
    let identity = ProviderIdentity {
        issuer: Some("https://op.example".to_owned()),
        sid: Some("s".repeat(300)),
        account: Some("with\0nul".to_owned()),
        ..ProviderIdentity::default()
    };
    let signed_in = world.manager.sign_in(world.login("ann").identity(identity)).await.unwrap();
    let stored = world.row(signed_in.session.id).await.session.identity;
    assert_eq!(stored.issuer.as_deref(), Some("https://op.example"));
    assert_eq!((stored.sid, stored.account), (None, None));
}

#[tokio::test]
async fn t4_a_rejecting_policy_returns_the_number_of_live_sessions_and_changes_nothing() {
    let world = World::with(policy().max_sessions(2).on_full(OnFull::Reject)).await;
    let devices = devices(&world, 2).await;
    let before = live(&world).await;
    let error = world.manager.sign_in(world.login("ann")).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::LimitReached { live: 2 });
    assert!(!error.is_transient());
    assert_eq!(live(&world).await, before);
    world.manager.end_one(&sample::user("ann"), devices[0].session.id).await.unwrap();
    assert!(world.manager.sign_in(world.login("ann")).await.is_ok(), "one place is free again");
}

#[tokio::test]
async fn f21_timed_out_sessions_do_not_count() {
    let reject = policy().max_sessions(1).on_full(OnFull::Reject).idle_timeout(SECOND * 60);
    let world = World::with(reject).await;
    let laptop = world.sign_in().await;
    world.clock.advance(SECOND * 60);
    assert_eq!(ended(&world.sign_in().await), [(laptop.session.id, EndReason::Idle)]);
}

#[tokio::test]
async fn replace_keeps_one_connection_and_ends_no_other() {
    let world = World::with(policy().rule(Rule::for_provider("mcp:*").replace())).await;
    let laptop = world.sign_in().await;
    let (ann, mcp) = (sample::user("ann"), sample::provider("mcp:github"));
    let first = world.manager.connect(&ann, &mcp, sample::response()).await.unwrap();
    let second = world.manager.connect(&ann, &mcp, sample::response()).await.unwrap();
    assert_eq!(second.ended.len(), 1);
    assert_eq!(world.end_reason(first.session.id).await, Some(EndReason::Replaced));
    assert_eq!(world.end_reason(laptop.session.id).await, None);
    assert_eq!(world.row(second.session.id).await.digests.current, None);
}

#[tokio::test]
async fn caps_count_by_user_provider_and_subject() {
    let world = World::with(policy().max_sessions(1)).await;
    let laptop = world.sign_in().await;
    let bob = world.sign_in_as("bob").await;
    let subject = |text| ProviderIdentity {
        subject: Some(sample::subject(text)),
        ..ProviderIdentity::default()
    };
    let one = world.manager.sign_in(world.login("ann").identity(subject("1"))).await.unwrap();
    let two = world.manager.sign_in(world.login("ann").identity(subject("2"))).await.unwrap();
    for other in [&laptop, &bob, &one, &two] {
        assert_eq!(ended(other), []);
    }
    let again = world.manager.sign_in(world.login("ann").identity(subject("1"))).await.unwrap();
    assert_eq!(ended(&again), [(one.session.id, EndReason::Evicted)]);
}

#[tokio::test]
async fn s2_signing_in_again_in_one_browser_supersedes_its_session_and_no_other() {
    let world = World::with(policy().max_sessions(2)).await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    let cookie = phone.secret.digest();
    let again = world.login("ann").supersedes(Some(cookie));
    let again = world.manager.sign_in(again).await.unwrap();
    assert_eq!(ended(&again), [(phone.session.id, EndReason::Superseded)]);
    assert_ne!(again.secret.digest(), cookie);
    assert_eq!(live(&world).await, [again.session.id, laptop.session.id]);
}

#[tokio::test]
async fn s2_the_browsers_session_is_superseded_even_if_it_was_another_users() {
    let world = World::new().await;
    let bob = world.sign_in_as("bob").await;
    let bobs_phone = world.sign_in_as("bob").await;
    let ann = world.login("ann").supersedes(Some(bob.secret.digest()));
    let ann = world.manager.sign_in(ann).await.unwrap();
    assert_eq!(ended(&ann), [(bob.session.id, EndReason::Superseded)]);
    assert!(matches!(world.resolve(&bobs_phone).await, Resolution::Live(_)));
}

#[tokio::test]
async fn s2_a_previous_secret_supersedes_too_and_an_unknown_cookie_does_not() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap();
    let again = world.login("ann").supersedes(Some(laptop.secret.digest()));
    let again = world.manager.sign_in(again).await.unwrap();
    assert_eq!(ended(&again), [(laptop.session.id, EndReason::Superseded)]);
    let unknown = world.login("ann").supersedes(Some(SecretDigest::of("never issued")));
    assert_eq!(ended(&world.manager.sign_in(unknown).await.unwrap()), []);
}

#[tokio::test]
async fn law_1_a_node_whose_clock_is_behind_does_not_make_the_newer_device_the_oldest() {
    let world = World::with(policy().max_sessions(2)).await;
    let behind = world.another_at(world.clock.node_behind(SECOND * 60)).await;
    let first = world.sign_in().await;
    let second = behind.sign_in().await;
    assert!(second.session.created_at < first.session.created_at);
    assert_eq!(ended(&world.sign_in().await), [(first.session.id, EndReason::Evicted)]);
}

#[tokio::test]
async fn law_1_many_logins_at_once_on_two_nodes_never_exceed_the_cap() {
    let here = World::with(policy().max_sessions(3)).await;
    let there = here.another().await;
    let logins: Vec<_> = (0..40)
        .map(|n| {
            let world = if n % 2 == 0 { here.clone() } else { there.clone() };
            tokio::spawn(async move { world.sign_in().await.ended.len() })
        })
        .collect();
    let mut left = 0;
    for login in logins {
        left += login.await.unwrap();
    }
    assert_eq!((left, live(&here).await.len()), (37, 3));
}

#[tokio::test]
async fn a_dropped_sign_in_leaves_no_session() {
    use session_core::testing::{Fault, Method};
    let world = World::with(policy().max_sessions(1)).await;
    let laptop = world.sign_in().await;
    for fault in [Fault::HangBefore, Fault::HangAfter] {
        world.store.set_next(Method::Admit, fault);
        let (manager, login) = (world.manager.clone(), world.login("ann"));
        let signing_in = tokio::spawn(async move { manager.sign_in(login).await });
        world.store.until_hanging(Method::Admit, 1).await;
        signing_in.abort();
        assert!(signing_in.await.unwrap_err().is_cancelled());
        world.store.release(Method::Admit);
        session_tests::manager::settle().await;
        assert_eq!(live(&world).await.len(), 0, "its secret is lost");
    }
    assert_eq!(world.end_reason(laptop.session.id).await, Some(EndReason::Evicted));
}

//! Refresh tokens of ended sessions are revoked at their provider, beside all requests (law 11).

use std::sync::Arc;
use std::time::Duration;

use session_core::manager::{RevocationReport, SignIn};
use session_core::provider::{ProviderErrorKind, RevocationScope};
use session_core::session::ProviderIdentity;
use session_core::testing::{Fault, Method, ScriptedProvider, sample};
use session_core::{EndReason, SessionManager, TokenResponse};
use session_tests::manager::{World, keyring, policy, settle};

const SECOND: Duration = Duration::from_secs(1);

async fn world(scope: RevocationScope) -> World {
    World::of(policy(), ScriptedProvider::new().with_revocation_scope(scope)).await
}

/// How many were revoked, given up and put off.
async fn process(world: &World) -> (usize, usize, usize) {
    let RevocationReport { revoked, dropped, postponed, .. } =
        world.manager.process_revocations(100).await.unwrap();
    (revoked, dropped, postponed)
}

#[tokio::test]
async fn v3_f41_signing_out_does_not_wait_for_the_provider() {
    let world = world(RevocationScope::Token).await;
    let laptop = world.sign_in().await;
    world.provider.revocation_requests().close();
    assert!(world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap());
    settle().await;
    assert_eq!(world.provider.revocations(), 0);
    assert_eq!(world.outbox().await, ["rt-1"]);
    assert_eq!(world.row(laptop.session.id).await.tokens, None, "it left the row");
}

#[tokio::test]
async fn v1_with_token_scope_each_token_is_revoked_once() {
    let world = world(RevocationScope::Token).await;
    let devices = [world.sign_in().await, world.sign_in().await, world.sign_in().await];
    for device in &devices[..2] {
        world.manager.sign_out(&device.session.user, device.session.id).await.unwrap();
    }
    assert_eq!(process(&world).await, (2, 0, 0));
    let mut revoked = world.provider.revoked();
    revoked.sort_unstable();
    assert_eq!(revoked, ["rt-1", "rt-2"]);
    assert!(world.provider.accepts("rt-3"));
    assert_eq!(process(&world).await, (0, 0, 0));
    assert_eq!(world.outbox().await, [""; 0]);
}

#[tokio::test]
async fn f38_with_grant_or_unknown_scope_the_provider_is_asked_with_the_last_session_only() {
    for scope in [RevocationScope::Grant, RevocationScope::Unknown] {
        let world = world(scope).await;
        let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
        let bob = world.sign_in_as("bob").await;
        world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
        let report = world.manager.process_revocations(100).await.unwrap();
        assert_eq!((report.held, report.dropped), (1, 0), "{scope:?}: the phone uses the grant");
        assert_eq!(world.provider.revocations(), 0);
        assert_eq!(world.outbox().await, ["rt-1"], "{scope:?}: it is not forgotten");
        world.manager.sign_out(&phone.session.user, phone.session.id).await.unwrap();
        assert_eq!(process(&world).await, (1, 0, 0), "{scope:?}: the last one of ann's");
        assert_eq!(world.provider.revoked(), ["rt-2"]);
        world.clock.advance(SECOND * 30);
        assert_eq!(process(&world).await, (1, 0, 0), "{scope:?}: and the one that waited");
        assert_eq!(world.provider.revoked(), ["rt-2", "rt-1"]);
        assert_eq!(world.end_reason(bob.session.id).await, None);
    }
}

#[tokio::test]
async fn f38_a_new_sign_in_of_the_last_browser_keeps_the_grant() {
    let world = world(RevocationScope::Grant).await;
    let laptop = world.sign_in().await;
    let again = world.login("ann").supersedes(Some(laptop.secret.digest()));
    world.manager.sign_in(again).await.unwrap();
    assert_eq!(world.manager.process_revocations(100).await.unwrap().held, 1);
    assert_eq!(world.provider.revocations(), 0);
}

#[tokio::test]
async fn f38_a_token_that_waits_for_other_sessions_is_asked_about_rarely_and_given_up_after_a_month()
 {
    let world = World::of(policy().without_idle_timeout().without_absolute_timeout(), {
        ScriptedProvider::new().with_revocation_scope(RevocationScope::Grant)
    })
    .await;
    let (laptop, _phone) = (world.sign_in().await, world.sign_in().await);
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let (mut held, mut hours) = (0, 0);
    while !world.outbox().await.is_empty() {
        held += world.manager.process_revocations(10).await.unwrap().held;
        world.clock.advance(SECOND * 3600);
        hours += 1;
        assert!(hours < 24 * 40, "for ever");
    }
    assert!(hours >= 24 * 30, "given up after {hours} hours");
    assert!(held < 150, "{held}");
    assert_eq!(world.provider.revocations(), 0);
}

#[tokio::test]
async fn v2_a_503_is_repeated_after_retry_after() {
    let world = world(RevocationScope::Token).await;
    let laptop = world.sign_in().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    world.provider.fail_revocation(ProviderErrorKind::Unavailable, Some(SECOND * 600));
    assert_eq!(process(&world).await, (0, 0, 1));
    world.clock.advance(SECOND * 600 - Duration::from_millis(1));
    assert_eq!(process(&world).await, (0, 0, 0), "not before");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(process(&world).await, (1, 0, 0));
    assert_eq!(world.provider.revocations(), 2);
}

#[tokio::test]
async fn an_unavailable_provider_is_asked_less_and_less_often_and_given_up_after_a_month() {
    let world = world(RevocationScope::Token).await;
    let laptop = world.sign_in().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    for _ in 0..200 {
        world.provider.fail_revocation(ProviderErrorKind::Unavailable, None);
    }
    let mut hours = 0;
    while !world.outbox().await.is_empty() {
        for _ in 0..60 {
            world.manager.process_revocations(10).await.unwrap();
            world.clock.advance(SECOND * 60);
        }
        hours += 1;
        assert!(hours < 24 * 40, "for ever");
    }
    assert!(hours >= 24 * 30, "given up after {hours} hours");
    assert!(world.provider.revocations() < 150);
}

#[tokio::test]
async fn v3_revocations_at_a_provider_without_support_are_dropped() {
    let world = world(RevocationScope::Token).await;
    let laptop = world.sign_in().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    world.provider.fail_revocation(ProviderErrorKind::Unsupported, None);
    assert_eq!(process(&world).await, (0, 1, 0));
    assert_eq!(world.outbox().await, [""; 0]);
}

#[tokio::test]
async fn an_expiring_access_token_without_a_refresh_token_leaves_nothing_to_revoke() {
    let world = world(RevocationScope::Token).await;
    let (ann, mcp) = (sample::user("ann"), sample::provider("mcp:x"));
    let tokens = TokenResponse::bearer("only").with_expires_in(SECOND);
    let tool = world.manager.connect(&ann, &mcp, tokens).await.unwrap();
    world.manager.sign_out(&tool.session.user, tool.session.id).await.unwrap();
    assert_eq!(world.outbox().await, [""; 0]);
}

#[tokio::test]
async fn every_way_to_end_moves_the_token_out() {
    let world = World::of(
        policy().max_sessions(1).idle_timeout(SECOND * 600),
        ScriptedProvider::new().with_revocation_scope(RevocationScope::Token),
    )
    .await;
    let first = world.sign_in().await;
    let second = world.sign_in().await;
    assert_eq!(world.end_reason(first.session.id).await, Some(EndReason::Evicted));
    let again = world.login("ann").supersedes(Some(second.secret.digest()));
    let third = world.manager.sign_in(again).await.unwrap();
    world.clock.advance(SECOND * 600);
    world.resolve(&third).await;
    assert_eq!(world.end_reason(third.session.id).await, Some(EndReason::Idle));
    let fourth = world.sign_in().await;
    world.manager.end_all(&sample::user("ann"), None, EndReason::RevokedByAdmin).await.unwrap();
    assert!(world.end_reason(fourth.session.id).await.is_some());
    assert_eq!(world.outbox().await, ["rt-1", "rt-2", "rt-3", "rt-4"]);
}

#[tokio::test]
async fn two_nodes_share_the_work() {
    let here = world(RevocationScope::Token).await;
    let there = here.another().await;
    let mut devices = Vec::new();
    for n in 0..30 {
        devices.push(here.sign_in_as(&format!("user-{n}")).await);
    }
    for device in &devices {
        here.manager.sign_out(&device.session.user, device.session.id).await.unwrap();
    }
    let (one, two) =
        tokio::join!(here.manager.process_revocations(100), there.manager.process_revocations(100));
    assert_eq!(one.unwrap().revoked + two.unwrap().revoked, 30);
    assert_eq!(here.provider.revocations(), 30, "each is asked for once");
}

#[tokio::test]
async fn a_list_is_limited_to_the_requested_number() {
    let world = world(RevocationScope::Token).await;
    for n in 0..20 {
        let device = world.sign_in_as(&format!("user-{n}")).await;
        world.manager.sign_out(&device.session.user, device.session.id).await.unwrap();
    }
    assert_eq!(world.manager.process_revocations(11).await.unwrap().revoked, 11);
    assert_eq!(world.outbox().await.len(), 9);
}

#[tokio::test]
async fn a_revocation_without_a_recorded_result_is_repeated_later() {
    let world = world(RevocationScope::Token).await;
    let laptop = world.sign_in().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    world.store.set_next(Method::CompleteRevocation, Fault::AWAY);
    assert!(world.manager.process_revocations(10).await.unwrap_err().is_transient());
    assert_eq!(process(&world).await, (0, 0, 0), "it is still claimed");
    world.clock.advance(SECOND * 3600);
    assert_eq!(process(&world).await, (1, 0, 0));
}

#[tokio::test]
async fn a_hanging_provider_delays_revocations_only_for_its_timeout() {
    let world = world(RevocationScope::Token).await;
    let laptop = world.sign_in().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    world.provider.revocation_requests().close();
    let work = session_tests::manager::Step(SECOND).drive(&world.clock, process(&world)).await;
    assert_eq!(work, (0, 0, 1));
}

#[tokio::test]
async fn f35_an_unreadable_session_is_kept_until_its_key_is_back() {
    use session_core::{Keyring, SessionManager};
    let world = world(RevocationScope::Token).await;
    let laptop = world.sign_in().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let other = SessionManager::builder(world.sessions().clone())
        .keyring(Keyring::parse(&Keyring::generate_entry("another").unwrap()).unwrap())
        .clock(world.clock.clone())
        .provider("*", world.provider.clone())
        .start()
        .await
        .unwrap();
    for _ in 0..60 {
        let done = other.process_revocations(10).await.unwrap();
        assert_eq!((done.dropped, done.postponed), (0, 1));
        world.clock.advance(SECOND * 6 * 3600);
    }
    assert_eq!(process(&world).await, (1, 0, 0), "its key came back");
}

#[tokio::test]
async fn revocations_of_an_unregistered_provider_are_left_to_other_nodes() {
    let world = world(RevocationScope::Token).await;
    let laptop = world.sign_in().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let other = session_core::SessionManager::builder(world.sessions().clone())
        .keyring(session_tests::manager::keyring())
        .clock(world.clock.clone())
        .start()
        .await
        .unwrap();
    assert_eq!(other.process_revocations(10).await.unwrap().postponed, 1);
    world.clock.advance(SECOND * 60);
    assert_eq!(process(&world).await, (1, 0, 0));
}

#[tokio::test]
async fn v1_an_access_token_that_never_expires_is_revoked_in_place_of_a_refresh_token() {
    let world = world(RevocationScope::Token).await;
    let (ann, github) = (sample::user("ann"), sample::provider("github"));
    let sign_in = |tokens| world.manager.sign_in(SignIn::new(&ann, &github, tokens));
    let endless = sign_in(TokenResponse::bearer("at-endless")).await.unwrap();
    assert!(!endless.has_refresh_token);
    let expiring = TokenResponse::bearer("at-expiring").with_expires_in(SECOND);
    let expiring = sign_in(expiring).await.unwrap();

    // It is no refresh token: a day later nothing is renewed.
    world.clock.advance(SECOND * 86_400);
    let tokens = world.manager.access_token(&ann, endless.session.id).await.unwrap();
    assert_eq!((tokens.access_token(), tokens.refresh_token()), ("at-endless", None));
    assert_eq!(world.provider.renewals(), 0);
    let report = world.manager.reseal().await.unwrap();
    assert_eq!(report.unreadable, 0);

    for device in [&endless, &expiring] {
        assert!(world.manager.sign_out(&ann, device.session.id).await.unwrap());
    }
    assert_eq!(process(&world).await, (1, 0, 0));
    assert_eq!(world.provider.revoked(), ["at-endless"]);
}

#[tokio::test]
async fn f38_a_grant_may_be_that_of_several_tool_servers_with_one_issuer() {
    let world = World::new().await;
    let user = sample::user("ann");
    let connect = async |name: &str, issuer: &str| {
        let identity =
            ProviderIdentity { issuer: Some(issuer.to_owned()), ..ProviderIdentity::default() };
        let sign_in = SignIn::new(&user, &sample::provider(name), world.provider.sign_in());
        world.manager.connect_with(sign_in.identity(identity)).await.unwrap().session
    };
    let files = connect("mcp:files", "https://id.example").await;
    let mail = connect("mcp:mail", "https://id.example").await;
    let other = connect("mcp:other", "https://other.example").await;
    world.manager.end_one(&user, files.id).await.unwrap();
    world.manager.end_one(&user, other.id).await.unwrap();
    let report = world.manager.process_revocations(10).await.unwrap();
    assert_eq!((report.held, report.revoked), (1, 1), "the grant may be that of the mail too");
    world.manager.end_one(&user, mail.id).await.unwrap();
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.manager.process_revocations(10).await.unwrap().revoked, 2);
}

#[tokio::test]
async fn a_process_without_the_provider_gives_no_revocation_up() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.manager.end_one(&laptop.session.user, laptop.session.id).await.unwrap();
    let elsewhere = SessionManager::builder(Arc::clone(world.sessions()))
        .keyring(keyring())
        .clock(world.clock.clone())
        .start()
        .await
        .unwrap();
    for _ in 0..2 {
        let report = elsewhere.process_revocations(10).await.unwrap();
        assert_eq!((report.postponed, report.dropped), (1, 0));
        world.clock.advance(Duration::from_secs(31 * 24 * 3600));
    }
    elsewhere.process_revocations(10).await.unwrap();
    // It is due again soon, for a process that has the provider.
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.manager.process_revocations(10).await.unwrap().revoked, 1);
}

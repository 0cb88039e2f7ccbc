//! Idle and absolute timeouts, and the notes of use that they rest on (law 3, T1, T3).

use std::time::Duration;

use session_core::EndReason;
use session_core::manager::{Resolution, SignedIn};
use session_core::middleware::{SessionManagerExt as _, Validity};
use session_core::testing::{Fault, Method, sample};
use session_tests::manager::{World, policy, settle};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

async fn reason(world: &World, device: &SignedIn) -> Option<EndReason> {
    match world.resolve(device).await {
        Resolution::Ended { ended, .. } => Some(ended.reason),
        Resolution::Live(_) => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn t1_an_unused_session_ends_at_the_idle_timeout() {
    let world = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let laptop = world.sign_in().await;
    world.clock.advance(MINUTE * 10 - MOMENT);
    assert_eq!(reason(&world, &laptop).await, None);
    settle().await;
    world.clock.advance(MINUTE * 10);
    assert_eq!(reason(&world, &laptop).await, Some(EndReason::Idle));
    assert_eq!(world.end_reason(laptop.session.id).await, Some(EndReason::Idle), "in its row too");
}

#[tokio::test]
async fn t1_t3_a_used_session_ends_at_the_absolute_timeout() {
    let timeouts = policy().idle_timeout(MINUTE * 10).absolute_timeout(MINUTE * 60);
    let world = World::with(timeouts).await;
    let laptop = world.sign_in().await;
    assert_eq!(laptop.absolute_deadline, Some(laptop.session.created_at + MINUTE * 60));
    for _ in 0..60 {
        assert_eq!(reason(&world, &laptop).await, None);
        world.clock.advance(MINUTE);
    }
    assert_eq!(reason(&world, &laptop).await, Some(EndReason::Absolute));
}

#[tokio::test]
async fn a_session_in_use_is_written_to_once_in_a_touch_interval() {
    let world = World::with(policy().touch_interval(MINUTE)).await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    for _ in 0..100 {
        world.live(&laptop).await;
        let _ = world.manager.revalidate(&live);
        settle().await;
        world.clock.advance(SECOND * 3);
    }
    let touches = world.store.calls(Method::Touch);
    assert!((4..=5).contains(&touches), "{touches} writes in five minutes");
}

#[tokio::test]
async fn activity_without_writes_keeps_a_session_alive_on_its_node() {
    let short = policy().idle_timeout(SECOND * 40).max_staleness(SECOND * 3600);
    let world = World::with(short).await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    world.store.set(Method::Touch, Fault::AWAY);
    for _ in 0..20 {
        world.clock.advance(SECOND * 30);
        assert_ne!(world.manager.revalidate(&live), Validity::Stale);
        assert_eq!(reason(&world, &laptop).await, None);
        settle().await;
    }
    let tries = world.store.calls(Method::Touch);
    assert!(tries >= 20, "a write that failed is tried at the next use: {tries}");
    assert_eq!(world.row(laptop.session.id).await.session.last_seen_at, laptop.session.created_at);
    world.store.clear(Method::Touch);
    world.clock.advance(SECOND);
    let _ = world.manager.revalidate(&live);
    settle().await;
    assert_eq!(world.row(laptop.session.id).await.session.last_seen_at, world.manager.now());
}

#[tokio::test]
async fn t3_a_tool_client_s_connection_is_used_by_its_tokens_and_a_browser_s_session_is_not() {
    let world = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let (ann, mcp) = (sample::user("ann"), sample::provider("mcp:github"));
    let tool = world.manager.connect(&ann, &mcp, world.provider.sign_in()).await.unwrap();
    let laptop = world.sign_in().await;
    for _ in 0..4 {
        world.clock.advance(MINUTE * 6);
        world.manager.access_token(&tool.session.user, tool.session.id).await.unwrap();
        drop(world.manager.access_token(&laptop.session.user, laptop.session.id).await);
        settle().await;
    }
    assert_eq!(world.end_reason(tool.session.id).await, None);
    assert_eq!(reason(&world, &laptop).await, Some(EndReason::Idle));
}

#[tokio::test]
async fn law_3_an_idle_end_is_decided_on_a_fresh_read() {
    let here = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    let held = here.live(&laptop).await;
    here.clock.advance(MINUTE * 9);
    there.live(&laptop).await;
    settle().await;
    here.clock.advance(MINUTE * 5);
    assert_eq!(here.manager.revalidate(&held), Validity::Stale, "as far as this node knows");
    assert_eq!(reason(&here, &laptop).await, None, "the other node has touched it");
}

#[tokio::test]
async fn law_3_activity_between_the_read_and_the_end_wins() {
    let here = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let laptop = here.sign_in().await;
    here.clock.advance(MINUTE * 10);
    here.store.set_next(Method::End, Fault::HangBefore);
    let (manager, digest) = (here.manager.clone(), laptop.secret.digest());
    let resolving = tokio::spawn(async move { manager.resolve(&digest, None).await });
    here.store.until_hanging(Method::End, 1).await;
    // A node whose clock is a minute behind served a request just now.
    let at = here.manager.now() - MINUTE;
    here.sessions().touch(laptop.session.id, at).await.unwrap();
    here.store.release(Method::End);
    let resolution = resolving.await.unwrap().unwrap();
    assert!(matches!(resolution, Resolution::Live(_)), "{resolution:?}");
}

#[tokio::test]
async fn law_8_nodes_a_minute_apart_end_no_session_more_than_a_minute_early() {
    let here = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let behind = here.another_at(here.clock.node_behind(MINUTE)).await;
    let laptop = behind.sign_in().await;
    for _ in 0..20 {
        here.clock.advance(MINUTE * 8);
        for world in [&here, &behind] {
            assert_eq!(reason(world, &laptop).await, None);
            settle().await;
        }
    }
    here.clock.advance(MINUTE * 11);
    assert_eq!(reason(&behind, &laptop).await, Some(EndReason::Idle));
}

#[tokio::test]
async fn a_session_without_timeouts_stays() {
    let world = World::with(policy().without_idle_timeout().without_absolute_timeout()).await;
    let laptop = world.sign_in().await;
    assert_eq!(laptop.absolute_deadline, None);
    world.clock.advance(MINUTE * 60 * 24 * 3650);
    assert_eq!(reason(&world, &laptop).await, None);
}

#[tokio::test]
async fn signing_in_again_resets_both() {
    let timeouts = policy().idle_timeout(MINUTE * 10).absolute_timeout(MINUTE * 15);
    let world = World::with(timeouts).await;
    let laptop = world.sign_in().await;
    world.clock.advance(MINUTE * 9);
    let again = world.login("ann").supersedes(Some(laptop.secret.digest()));
    let again = world.manager.sign_in(again).await.unwrap();
    world.clock.advance(MINUTE * 9);
    assert_eq!(reason(&world, &again).await, None);
}

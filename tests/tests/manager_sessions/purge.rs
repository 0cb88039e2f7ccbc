//! Ended sessions are purged by their own end and timeout, in batches, after the retention (law 9).

use std::time::Duration;

use session_core::EndReason;
use session_core::policy::Rule;
use session_core::testing::{Fault, Method, sample};
use session_tests::manager::{LIFETIME, World, policy, settle, until};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn law_7_f34_an_end_stays_readable_until_the_retention_is_over() {
    let world = World::with(policy().retention(DAY * 3)).await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    world.clock.advance(DAY * 3);
    world.live(&phone).await;
    assert_eq!(world.manager.purge().await.unwrap().sessions, 0);
    assert_eq!(world.end_reason(laptop.session.id).await, Some(EndReason::SignedOut));
    world.clock.advance(Duration::from_millis(1));
    let purged = world.manager.purge().await.unwrap();
    assert_eq!((purged.sessions, purged.timed_out), (1, 0));
    assert_eq!(world.sessions().find(laptop.session.id).await.unwrap(), None);
    assert!(purged.events >= 3, "of both sessions, by age: {purged:?}");
    assert_eq!(world.end_reason(phone.session.id).await, None);
}

#[tokio::test]
async fn law_9_a_session_is_not_purged_because_its_access_token_expired() {
    let world = World::with(policy().retention(Duration::ZERO)).await;
    let laptop = world.sign_in().await;
    world.clock.advance(LIFETIME * 10);
    let purged = world.manager.purge().await.unwrap();
    assert_eq!((purged.sessions, purged.timed_out), (0, 0));
    assert_eq!(world.end_reason(laptop.session.id).await, None);
}

#[tokio::test]
async fn t1_a_purge_ends_unused_sessions_by_the_timeouts_of_their_provider() {
    let timeouts = policy()
        .idle_timeout(MINUTE * 10)
        .absolute_timeout(MINUTE * 60)
        .rule(Rule::for_provider("mcp:*").without_idle_timeout().absolute_timeout(DAY));
    let world = World::with(timeouts).await;
    let (ann, mcp) = (sample::user("ann"), sample::provider("mcp:github"));
    let tool = world.manager.connect(&ann, &mcp, sample::response()).await.unwrap();
    let (idle, used) = (world.sign_in().await, world.sign_in().await);
    world.clock.advance(MINUTE * 9);
    world.live(&used).await;
    settle().await;
    world.clock.advance(MINUTE);
    assert_eq!(world.manager.purge().await.unwrap().timed_out, 1);
    assert_eq!(world.end_reason(idle.session.id).await, Some(EndReason::Idle));
    for _ in 0..6 {
        world.live(&used).await;
        settle().await;
        world.clock.advance(MINUTE * 9);
    }
    assert_eq!(world.manager.purge().await.unwrap().timed_out, 1);
    assert_eq!(world.end_reason(used.session.id).await, Some(EndReason::Absolute));
    assert_eq!(world.end_reason(tool.session.id).await, None);
    world.clock.advance(DAY);
    assert_eq!(world.manager.purge().await.unwrap().timed_out, 1);
    assert_eq!(world.end_reason(tool.session.id).await, Some(EndReason::Absolute));
}

#[tokio::test]
async fn law_3_a_purge_ends_nothing_that_was_used_meanwhile() {
    let here = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    here.clock.advance(MINUTE * 10);
    there.store.set_next(Method::End, Fault::HangBefore);
    let purging = tokio::spawn({
        let manager = there.manager.clone();
        async move { manager.purge().await }
    });
    there.store.until_hanging(Method::End, 1).await;
    here.sessions().touch(laptop.session.id, here.manager.now() - MINUTE).await.unwrap();
    there.store.release(Method::End);
    assert_eq!(purging.await.unwrap().unwrap().timed_out, 0);
    assert_eq!(here.end_reason(laptop.session.id).await, None);
}

#[tokio::test]
async fn t3_activity_that_this_node_has_not_written_yet_counts() {
    let world = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let laptop = world.sign_in().await;
    world.store.set(Method::Touch, Fault::AWAY);
    world.clock.advance(MINUTE * 9);
    let _held = world.live(&laptop).await;
    world.clock.advance(MINUTE * 9);
    assert_eq!(world.manager.purge().await.unwrap().timed_out, 0);
}

#[tokio::test]
async fn f34_more_than_one_batch_is_purged_in_one_run() {
    let world = World::with(policy().unlimited().retention(MINUTE).idle_timeout(MINUTE)).await;
    for _ in 0..1_203 {
        world.sign_in().await;
    }
    world.clock.advance(MINUTE);
    assert_eq!(world.manager.purge().await.unwrap().timed_out, 1_203);
    world.clock.advance(MINUTE * 2);
    let purged = world.manager.purge().await.unwrap();
    assert_eq!((purged.sessions, purged.events), (1_203, 2_406));
    assert!(world.store.calls(Method::PurgeEnded) >= 4, "in batches");
}

/// Lets a node that is the only one do rounds until it trusts its clock.
async fn rounds(world: &World, count: u32) {
    for _ in 0..count {
        settle().await;
        world.clock.advance(MINUTE * 7);
    }
    settle().await;
}

#[tokio::test]
async fn maintenance_purges_and_revokes_until_it_is_dropped() {
    let world = World::with(policy().idle_timeout(MINUTE)).await;
    let laptop = world.sign_in().await;
    let maintenance = world.manager.maintain(MINUTE * 5);
    rounds(&world, 50).await;
    until("a round", || world.provider.revocations() == 1).await;
    assert_eq!(world.end_reason(laptop.session.id).await, Some(EndReason::Idle));
    drop(maintenance);
    settle().await;
    let calls = world.store.calls(Method::PurgeEnded);
    world.clock.advance(MINUTE * 60);
    settle().await;
    assert_eq!(world.store.calls(Method::PurgeEnded), calls);
}

#[tokio::test]
async fn a_round_of_maintenance_that_fails_is_followed_by_another() {
    let world = World::with(policy().idle_timeout(MINUTE)).await;
    world.sign_in().await;
    let _maintenance = world.manager.maintain(MINUTE * 5);
    world.store.set_all(Fault::AWAY);
    settle().await;
    world.clock.advance(MINUTE * 7);
    settle().await;
    world.store.clear_all();
    rounds(&world, 50).await;
    until("a round", || world.provider.revocations() == 1).await;
    assert!(world.manager.shutdown(MINUTE).await, "and a shutdown ends it");
}

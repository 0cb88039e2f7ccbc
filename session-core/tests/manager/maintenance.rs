//! Maintenance: a share of the work for each node, and an end when the manager shuts down.

use std::time::Duration;

use session_core::policy::Rule;
use session_core::provider::RevocationScope;
use session_core::testing::sample::{provider as named, user};
use session_core::testing::{FakeClock, Fault, Method, ScriptedProvider};

use crate::world::{MINUTE, SECOND, World, policy, settle};

const HOUR: Duration = Duration::from_secs(3600);

fn revoking() -> ScriptedProvider {
    ScriptedProvider::new().with_revocation_scope(RevocationScope::Token)
}

/// Advances the clock by seconds until the manager is shut down, and returns how many it took.
async fn shut_down(world: &World) -> u32 {
    let manager = world.manager.clone();
    let down = tokio::spawn(async move { manager.shutdown(SECOND * 30).await });
    let mut waited = 0;
    settle().await;
    while !down.is_finished() {
        world.clock.advance(SECOND);
        settle().await;
        waited += 1;
        assert!(waited < 2000, "it never ends");
    }
    assert!(down.await.unwrap(), "not all tasks ended in time");
    waited
}

#[tokio::test]
async fn a_hanging_revocation_does_not_delay_a_shutdown_and_nothing_goes_on_after_it() {
    let world = World::with(policy().unlimited(), revoking()).await;
    for number in 0..100 {
        let device = world.sign_in(&format!("user-{number}")).await;
        world.manager.sign_out(&device.session.user, device.session.id).await.unwrap();
    }
    world.provider.revocation_requests().close();
    let _maintenance = world.manager.maintain(MINUTE);
    world.pass(MINUTE * 3, SECOND).await;
    assert_eq!(world.provider.revocation_requests().held(), 1);
    let waited = shut_down(&world).await;
    assert!(waited <= 1, "the shutdown took {waited} s");
    world.store.reset_calls();
    world.pass(MINUTE * 20, SECOND * 10).await;
    assert_eq!(world.store.total_calls(), 0, "calls after the shutdown");
}

#[tokio::test]
async fn a_purge_of_many_sessions_does_not_delay_a_shutdown() {
    let world = World::with(policy().unlimited().idle_timeout(HOUR), revoking()).await;
    for number in 0..50 {
        world.sign_in(&format!("user-{number}")).await;
    }
    world.clock.advance(HOUR * 2);
    world.store.set(Method::End, Fault::HangBefore);
    let _maintenance = world.manager.maintain(MINUTE);
    world.pass(MINUTE * 3, SECOND).await;
    assert!(world.store.hanging(Method::End) <= 1);
    let waited = shut_down(&world).await;
    let timeout = world.manager.policy().store_timeout();
    assert!(SECOND * waited <= timeout + SECOND, "the shutdown took {waited} s");
}

#[tokio::test]
async fn law_9_a_short_timeout_of_one_provider_reads_no_rows_of_the_others() {
    let rule = Rule::for_provider("mcp:*").idle_timeout(HOUR).without_absolute_timeout();
    let world = World::with(policy().unlimited().rule(rule), revoking()).await;
    for number in 0..2600 {
        world.sign_in(&format!("user-{number}")).await;
    }
    let tokens = world.provider.sign_in();
    world.manager.connect(&user("ann"), &named("mcp:files"), tokens).await.unwrap();
    world.clock.advance(HOUR * 2);
    world.store.reset_calls();
    let report = world.manager.purge().await.unwrap();
    assert_eq!(report.timed_out, 1);
    let pages = world.store.calls(Method::ListTimeoutCandidates);
    assert!(pages <= 4, "{pages} pages");
}

#[tokio::test]
async fn law_9_timed_out_sessions_end_in_batches() {
    let world = World::with(policy().unlimited().idle_timeout(HOUR), revoking()).await;
    for number in 0..600 {
        world.sign_in(&format!("user-{number}")).await;
    }
    world.clock.advance(HOUR * 2);
    assert_eq!(world.manager.purge().await.unwrap().timed_out, 600);
    let ends = world.store.calls(Method::End);
    assert!(ends <= 12, "{ends} transactions for 600 sessions");
}

#[tokio::test]
async fn law_9_fifty_nodes_do_the_work_once() {
    let first = World::with(policy().unlimited(), revoking()).await;
    let mut nodes = vec![first.clone()];
    for _ in 1..50 {
        nodes.push(first.another().await);
    }
    let _running: Vec<_> = nodes.iter().map(|node| node.manager.maintain(MINUTE)).collect();
    first.pass(MINUTE * 20, SECOND * 5).await;
    let purges: usize = nodes.iter().map(|node| node.store.calls(Method::PurgeEnded)).sum();
    assert!((8..=25).contains(&purges), "{purges} rounds in 20 minutes");
}

#[tokio::test]
async fn a_single_node_does_its_rounds() {
    let world = World::with(policy().unlimited(), revoking()).await;
    let _maintenance = world.manager.maintain(MINUTE);
    world.pass(MINUTE * 20, SECOND).await;
    let rounds = world.store.calls(Method::ClaimRound);
    assert!((12..=20).contains(&rounds), "{rounds} rounds in 20 minutes");
}

#[tokio::test]
async fn law_8_a_node_whose_clock_is_far_ahead_ends_no_session_on_its_own_word() {
    let ahead = World::with(policy().unlimited(), revoking()).await;
    let right = ahead.another_at(ahead.clock.node_behind(HOUR * 24 * 8)).await;
    let laptop = right.sign_in("ann").await;
    let _ours = right.manager.maintain(MINUTE);
    right.pass(MINUTE * 10, SECOND * 5).await;
    let _theirs = ahead.manager.maintain(MINUTE);
    right.pass(HOUR, SECOND * 5).await;
    assert!(right.row(&laptop).await.session.is_live(), "ended by a wrong clock");
}

#[tokio::test]
async fn law_8_a_clock_that_goes_ahead_later_has_to_be_confirmed_again() {
    let ours = World::with(policy().unlimited(), revoking()).await;
    let clock = FakeClock::at(ours.manager.now());
    let theirs = ours.another_at(clock.clone()).await;
    let laptop = ours.sign_in("ann").await;
    let our_rounds = ours.manager.maintain(MINUTE);
    let _their_rounds = theirs.manager.maintain(MINUTE);
    for _ in 0..240 {
        ours.pass(SECOND * 5, SECOND * 5).await;
        clock.advance(SECOND * 5);
    }
    settle().await;
    // The other node goes away, and this one's wall clock is set: nothing is left to compare it with.
    drop(our_rounds);
    settle().await;
    clock.suspend(HOUR * 24 * 8);
    theirs.pass(MINUTE * 20, SECOND * 5).await;
    assert!(ours.row(&laptop).await.session.is_live(), "ended by a clock that was right before");
}

#[tokio::test]
async fn law_8_a_node_that_another_one_always_forestalls_is_seen() {
    let ahead = World::with(policy().unlimited(), revoking()).await;
    let right = ahead.another_at(ahead.clock.node_behind(HOUR * 24 * 8)).await;
    let laptop = right.sign_in("ann").await;
    let _theirs = ahead.manager.maintain(MINUTE);
    right.pass(MINUTE * 3, SECOND * 5).await;
    // Never do two of its looks fall between two rounds of the other.
    let _ours = right.manager.maintain(SECOND * 76);
    right.pass(HOUR * 2, SECOND * 5).await;
    assert!(right.row(&laptop).await.session.is_live(), "ended by a wrong clock that felt alone");
}

#[tokio::test]
async fn law_8_a_node_whose_clock_is_far_ahead_deletes_nothing_and_gives_up_no_revocation() {
    let ahead = World::with(policy().unlimited(), revoking()).await;
    let right = ahead.another_at(ahead.clock.node_behind(HOUR * 24 * 100)).await;
    let laptop = right.sign_in("ann").await;
    right.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    right.provider.revocation_requests().close();
    let _ours = right.manager.maintain(MINUTE);
    right.pass(MINUTE * 10, SECOND * 5).await;
    let _theirs = ahead.manager.maintain(MINUTE);
    right.pass(HOUR, SECOND * 5).await;
    assert!(!right.row(&laptop).await.session.is_live(), "the row of the ended session is there");
    assert_eq!(ahead.store.calls(Method::PurgeEnded), 0);
    assert_eq!(right.manager.revocation_backlog().await.unwrap().count, 1, "given up");
}

#[tokio::test]
async fn after_a_long_stop_of_all_nodes_timeouts_are_kept_again() {
    let world = World::with(policy().unlimited(), revoking()).await;
    let laptop = world.sign_in("ann").await;
    let maintenance = world.manager.maintain(MINUTE);
    world.pass(MINUTE * 10, SECOND * 5).await;
    drop(maintenance);
    settle().await;
    world.clock.advance(HOUR * 24 * 8);
    let _again = world.manager.maintain(MINUTE);
    world.pass(HOUR * 2, SECOND * 5).await;
    assert!(!world.row(&laptop).await.session.is_live());
}

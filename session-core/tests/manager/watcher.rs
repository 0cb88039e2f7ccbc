//! Watching costs the store one bounded query per interval, however many are watched.

use std::time::Duration;

use session_core::EndReason;
use session_core::manager::EndedSignal;
use session_core::testing::{Method, ScriptedProvider};

use crate::world::{MINUTE, SECOND, World, policy, settle};

const MS: Duration = Duration::from_millis(1);

async fn watched(world: &World, count: usize, apart: Duration) -> Vec<EndedSignal> {
    let mut signals = Vec::new();
    for number in 0..count {
        let device = world.sign_in(&format!("user-{number}")).await;
        signals.push(world.live(&device).await.ended_signal());
        world.clock.advance(apart);
    }
    settle().await;
    signals
}

fn over(signals: &[EndedSignal]) -> usize {
    signals.iter().filter(|signal| signal.reason().is_some()).count()
}

fn endless() -> ScriptedProvider {
    ScriptedProvider::new().with_lifetime(None)
}

#[tokio::test]
async fn a_deadline_reads_only_the_rows_that_are_due() {
    let world = World::with(policy().idle_timeout(MINUTE * 10), endless()).await;
    let signals = watched(&world, 400, MS * 50).await;
    world.pass(MINUTE * 9 + SECOND * 35, SECOND).await;
    while over(&signals) == 0 {
        world.pass(MS * 50, MS * 50).await;
    }
    // One session reaches its timeout each 50 ms.
    world.store.reset_calls();
    let before = over(&signals);
    world.pass(SECOND * 5, MS * 50).await;
    let ended = over(&signals) - before;
    assert!(ended > 90, "{ended} ended");
    let calls = world.store.total_calls() - world.store.calls(Method::ListChanges);
    assert!(calls <= ended * 2 + 10, "{calls} calls for {ended} sessions that were due");
}

#[tokio::test]
async fn an_end_elsewhere_is_signalled_within_an_interval() {
    let here = World::with(policy().unlimited(), endless()).await;
    let there = here.another().await;
    let (laptop, phone) = (here.sign_in("ann").await, here.sign_in("ann").await);
    let signals = [here.live(&laptop).await.ended_signal(), here.live(&phone).await.ended_signal()];
    here.pass(MINUTE, SECOND).await;
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    here.pass(SECOND * 5, SECOND).await;
    assert_eq!(signals[0].reason(), Some(EndReason::SignedOut));
    assert_eq!(signals[1].reason(), None);
}

#[tokio::test]
async fn a_node_whose_clock_is_behind_is_heard_all_the_same() {
    let here = World::with(policy().unlimited(), endless()).await;
    let there = here.another_at(here.clock.node_behind(SECOND * 30)).await;
    let laptop = here.sign_in("ann").await;
    let signal = here.live(&laptop).await.ended_signal();
    here.pass(MINUTE * 5, SECOND).await;
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    here.pass(SECOND * 5, SECOND).await;
    assert_eq!(signal.reason(), Some(EndReason::SignedOut));
}

#[tokio::test]
async fn a_signal_of_a_session_that_was_read_long_ago_knows_of_its_end() {
    let here = World::with(policy().unlimited(), endless()).await;
    let there = here.another().await;
    let laptop = here.sign_in("ann").await;
    let live = here.live(&laptop).await;
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    here.pass(MINUTE * 60, SECOND * 5).await;
    let signal = live.ended_signal();
    here.pass(SECOND * 5, SECOND).await;
    assert_eq!(signal.reason(), Some(EndReason::SignedOut));
}

#[tokio::test]
async fn a_deadline_nearer_than_the_interval_is_met() {
    let policy = policy().idle_timeout(SECOND * 3).max_staleness(MINUTE);
    let world = World::with(policy, endless()).await;
    let _kept = watched(&world, 1, Duration::ZERO).await;
    let laptop = world.sign_in("ann").await;
    let signal = world.live(&laptop).await.ended_signal();
    world.pass(SECOND * 2, MS * 250).await;
    assert_eq!(signal.reason(), None);
    world.pass(SECOND * 2, MS * 250).await;
    assert_eq!(signal.reason(), Some(EndReason::Idle));
}

#[tokio::test]
async fn the_cost_does_not_grow_with_the_number_of_watched_sessions() {
    let mut queries = Vec::new();
    for count in [10, 10_000] {
        let world = World::with(policy().unlimited(), endless()).await;
        let signals = watched(&world, count, Duration::ZERO).await;
        world.pass(SECOND * 30, SECOND).await;
        world.store.reset_calls();
        world.pass(MINUTE, SECOND).await;
        queries.push(world.store.total_calls());
        assert_eq!(world.store.calls(Method::FindAll), 0, "rows of sessions that are not due");
        assert_eq!(over(&signals), 0);
    }
    // One for each second, in which the clock makes its steps.
    assert!(queries.iter().all(|count| *count <= 61), "queries a minute: {queries:?}");
    assert_eq!(queries[0], queries[1]);
}

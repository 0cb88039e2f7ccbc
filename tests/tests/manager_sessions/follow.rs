//! Following: a node learns soon of ends and renewals on others, and asks the store no more often than
//! it must.

use std::time::Duration;

use session_core::EndReason;
use session_core::manager::LiveSession;
use session_core::middleware::{SessionManagerExt as _, Validity};
use session_core::testing::{Fault, MemoryBroadcast, Method};
use session_tests::manager::{DUE, Step, World, policy, settle};

const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(250);

/// Lets the time of one look pass, in steps that wake the follower as a running clock does.
async fn one_look(world: &World) {
    Step(INTERVAL / 5).pass(&world.clock, INTERVAL).await;
}

fn is_served(world: &World, live: &LiveSession) -> bool {
    world.manager.revalidate(live) == Validity::Usable
}

async fn two_nodes() -> [World; 2] {
    let here = World::new().await;
    let there = here.another().await;
    [here, there]
}

#[tokio::test]
async fn l1_a_cached_session_that_ended_elsewhere_is_out_of_date_after_one_look() {
    let [here, there] = two_nodes().await;
    let (laptop, phone) = (here.sign_in().await, here.sign_in().await);
    let (laptops, phones) = (here.live(&laptop).await, here.live(&phone).await);
    one_look(&here).await;
    assert!(is_served(&here, &laptops));
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    one_look(&here).await;
    assert!(!is_served(&here, &laptops), "served after a look");
    assert!(is_served(&here, &phones), "no other session is touched");
}

#[tokio::test]
async fn f22_an_eviction_elsewhere_reaches_a_stream_after_one_look() {
    let here = World::with(policy().max_sessions(1)).await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    let signal = here.live(&laptop).await.ended_signal();
    one_look(&here).await;
    there.sign_in().await;
    one_look(&here).await;
    assert_eq!(signal.reason(), Some(EndReason::Evicted));
}

#[tokio::test]
async fn a_cached_session_that_was_renewed_elsewhere_is_read_again_once() {
    let [here, there] = two_nodes().await;
    let laptop = here.sign_in().await;
    here.clock.advance(DUE - SECOND * 10);
    let before = here.live(&laptop).await;
    one_look(&here).await;
    there.clock.advance(SECOND * 10);
    there.live(&laptop).await;
    settle().await;
    one_look(&here).await;
    assert!(!is_served(&here, &before), "its tokens were renewed");
    let after = here.live(&laptop).await;
    assert_eq!(after.tokens().access_token(), "at-2");
    for _ in 0..8 {
        one_look(&here).await;
        assert!(is_served(&here, &after), "the renewal is known");
    }
}

#[tokio::test]
async fn a_renewal_of_this_node_does_not_make_what_was_read_after_it_out_of_date() {
    let here = World::new().await;
    let laptop = here.sign_in().await;
    here.clock.advance(DUE);
    here.live(&laptop).await;
    settle().await;
    let after = here.live(&laptop).await;
    assert_eq!(after.tokens().access_token(), "at-2");
    for _ in 0..8 {
        one_look(&here).await;
        assert!(is_served(&here, &after));
    }
}

#[tokio::test]
async fn a_change_by_a_clock_that_is_behind_is_seen_within_the_staleness() {
    let here = World::new().await;
    for (behind, within) in [(SECOND, INTERVAL), (SECOND * 30, SECOND * 5)] {
        let there = here.another_at(here.clock.node_behind(behind)).await;
        let laptop = here.sign_in().await;
        let signal = here.live(&laptop).await.ended_signal();
        one_look(&here).await;
        there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
        Step(INTERVAL / 5).pass(&here.clock, within).await;
        assert_eq!(signal.reason(), Some(EndReason::SignedOut), "{behind:?} behind");
    }
}

#[tokio::test]
async fn a_node_that_serves_nothing_asks_nothing() {
    let here = World::new().await;
    let laptop = here.sign_in().await;
    let cached = here.live(&laptop).await;
    Step(INTERVAL).pass(&here.clock, SECOND * 4).await;
    assert!(here.store.calls(Method::ListChanges) > 10);
    // Nothing was read for so long that the cache serves nothing.
    Step(INTERVAL).pass(&here.clock, SECOND * 2).await;
    here.store.reset_calls();
    Step(INTERVAL).pass(&here.clock, SECOND * 60).await;
    assert_eq!(here.store.total_calls(), 0);
    assert!(!is_served(&here, &cached));
}

#[tokio::test]
async fn thousands_of_changes_at_once_are_all_seen() {
    let here = World::with(policy().unlimited()).await;
    let there = here.another().await;
    let mut signals = Vec::new();
    for _ in 0..2500 {
        let device = here.sign_in().await;
        signals.push(here.live(&device).await.ended_signal());
    }
    one_look(&here).await;
    let user = session_core::testing::sample::user("ann");
    there.manager.end_all(&user, None, EndReason::RevokedByAdmin).await.unwrap();
    one_look(&here).await;
    let ended = signals.iter().filter(|signal| signal.reason().is_some()).count();
    assert_eq!(ended, signals.len());
}

async fn joined(here: &World, broadcast: &MemoryBroadcast) -> [World; 2] {
    let nodes =
        [here.another_with(broadcast.node()).await, here.another_with(broadcast.node()).await];
    settle().await;
    nodes
}

#[tokio::test]
async fn a_broadcast_end_is_seen_without_any_time() {
    let broadcast = MemoryBroadcast::new();
    let [here, there] = joined(&World::new().await, &broadcast).await;
    let laptop = here.sign_in().await;
    let cached = here.live(&laptop).await;
    let signal = cached.ended_signal();
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    settle().await;
    assert_eq!(signal.reason(), Some(EndReason::SignedOut));
    assert!(!is_served(&here, &cached));
}

#[tokio::test]
async fn a_broadcast_renewal_is_seen_without_any_time() {
    let broadcast = MemoryBroadcast::new();
    let [here, there] = joined(&World::new().await, &broadcast).await;
    let laptop = here.sign_in().await;
    here.clock.advance(DUE - SECOND);
    let cached = here.live(&laptop).await;
    here.clock.advance(SECOND);
    there.live(&laptop).await;
    settle().await;
    assert!(!is_served(&here, &cached));
    assert_eq!(here.live(&laptop).await.tokens().access_token(), "at-2");
}

#[tokio::test]
async fn a_broadcast_about_sessions_of_others_costs_no_query() {
    let broadcast = MemoryBroadcast::new();
    let [here, there] = joined(&World::new().await, &broadcast).await;
    let laptop = there.sign_in().await;
    here.store.reset_calls();
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    settle().await;
    assert_eq!(here.store.total_calls(), 0);
}

#[tokio::test]
async fn with_a_broadcast_the_event_log_is_read_every_staleness_only() {
    let broadcast = MemoryBroadcast::new();
    let [here, _there] = joined(&World::new().await, &broadcast).await;
    let laptop = here.sign_in().await;
    let _signal = here.live(&laptop).await.ended_signal();
    Step(INTERVAL).pass(&here.clock, SECOND).await;
    here.store.reset_calls();
    Step(INTERVAL).pass(&here.clock, SECOND * 20).await;
    assert_eq!(here.store.calls(Method::ListChanges), 4);
}

#[tokio::test]
async fn while_a_broadcast_is_broken_the_event_log_is_read_as_without_one() {
    let broadcast = MemoryBroadcast::new();
    let [here, there] = joined(&World::new().await, &broadcast).await;
    let (laptop, phone) = (here.sign_in().await, here.sign_in().await);
    let laptops = here.live(&laptop).await.ended_signal();
    let phones = here.live(&phone).await.ended_signal();
    broadcast.set_broken(true);
    settle().await;
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    one_look(&here).await;
    assert_eq!(laptops.reason(), Some(EndReason::SignedOut));
    broadcast.set_broken(false);
    Step(INTERVAL).pass(&here.clock, SECOND * 2).await;
    there.manager.sign_out(&phone.session.user, phone.session.id).await.unwrap();
    settle().await;
    assert_eq!(phones.reason(), Some(EndReason::SignedOut), "it is used again");
}

#[tokio::test]
async fn changes_during_an_outage_are_seen_after_it() {
    let [here, there] = two_nodes().await;
    let laptop = here.sign_in().await;
    let signal = here.live(&laptop).await.ended_signal();
    one_look(&here).await;
    here.store.set_all(Fault::AWAY);
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    Step(INTERVAL).pass(&here.clock, SECOND * 90).await;
    assert_eq!(signal.reason(), None);
    here.store.clear_all();
    Step(INTERVAL).pass(&here.clock, SECOND * 2).await;
    assert_eq!(signal.reason(), Some(EndReason::SignedOut));
}

#[tokio::test]
async fn a_manager_with_a_broadcast_shuts_down() {
    let broadcast = MemoryBroadcast::new();
    let [here, _there] = joined(&World::new().await, &broadcast).await;
    let laptop = here.sign_in().await;
    here.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let shutdown = Step(INTERVAL).drive(&here.clock, here.manager.shutdown(SECOND * 5));
    assert!(shutdown.await, "all tasks ended in time");
}

#[tokio::test]
async fn an_end_that_a_request_meets_is_an_end_for_what_is_cached() {
    let [here, there] = two_nodes().await;
    for meets in ["a token", "a rejection", "its cookie"] {
        let laptop = here.sign_in().await;
        let cached = here.live(&laptop).await;
        let (user, id) = (&laptop.session.user, laptop.session.id);
        there.manager.sign_out(user, id).await.unwrap();
        assert!(is_served(&here, &cached), "no time has passed");
        match meets {
            "a token" => drop(here.manager.access_token(user, id).await.unwrap_err()),
            "its cookie" => drop(here.resolve(&laptop).await),
            _ => {
                let rejected = cached.tokens().access_token();
                let answer = here.manager.access_token_after_rejection(user, id, rejected).await;
                drop(answer.unwrap_err());
            }
        }
        assert!(!is_served(&here, &cached), "{meets} has met the end");
    }
}

#[tokio::test]
async fn a_sign_out_of_a_session_that_has_ended_elsewhere_is_final_here_too() {
    let [here, there] = two_nodes().await;
    let (laptop, phone) = (here.sign_in().await, here.sign_in().await);
    let (cached, other) = (here.live(&laptop).await, here.live(&phone).await);
    let (user, id) = (&laptop.session.user, laptop.session.id);
    there.manager.end_one(user, id).await.unwrap();
    assert!(is_served(&here, &cached), "no time has passed");
    assert!(!here.manager.sign_out(user, id).await.unwrap());
    assert!(!is_served(&here, &cached));
    assert!(is_served(&here, &other));
}

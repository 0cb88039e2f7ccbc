//! The ended signal: immediate on this node, soon on others, at deadlines, and never otherwise.

use std::sync::Arc;
use std::time::Duration;

use session_core::EndReason;
use session_core::manager::{EndedSignal, LiveSession};
use session_core::testing::{Fault, Method};
use session_tests::manager::{LIFETIME, Step, World, policy, settle};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Waits in a task, as a web socket's does.
fn waiting(live: &Arc<LiveSession>) -> tokio::task::JoinHandle<EndReason> {
    let mut signal: EndedSignal = live.ended_signal();
    tokio::spawn(async move { signal.wait().await })
}

#[tokio::test]
async fn an_end_on_this_node_is_signalled_immediately() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let waiting = waiting(&world.live(&laptop).await);
    settle().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    assert_eq!(waiting.await.unwrap(), EndReason::SignedOut);
}

#[tokio::test]
async fn f22_an_eviction_on_this_node_is_signalled_immediately() {
    let world = World::with(policy().max_sessions(1)).await;
    let laptop = world.sign_in().await;
    let waiting = waiting(&world.live(&laptop).await);
    world.sign_in().await;
    assert_eq!(waiting.await.unwrap(), EndReason::Evicted);
}

#[tokio::test]
async fn l1_an_end_elsewhere_is_signalled_within_the_staleness() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    let waiting = waiting(&here.live(&laptop).await);
    Step::SMALL.pass(&here.clock, MINUTE).await;
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    Step::SMALL.pass(&here.clock, SECOND * 5).await;
    assert!(waiting.is_finished(), "later than max_staleness");
    assert_eq!(waiting.await.unwrap(), EndReason::SignedOut);
}

#[tokio::test]
async fn l1_an_outage_only_delays_the_signal() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    let waiting = waiting(&here.live(&laptop).await);
    Step::SMALL.pass(&here.clock, SECOND * 6).await;
    here.store.set_all(Fault::AWAY);
    there.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    Step::SMALL.pass(&here.clock, MINUTE * 5).await;
    assert!(!waiting.is_finished());
    here.store.clear_all();
    Step::SMALL.pass(&here.clock, SECOND * 5).await;
    assert!(waiting.is_finished());
}

#[tokio::test]
async fn the_idle_deadline_is_signalled_and_watching_is_not_activity() {
    let world = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let laptop = world.sign_in().await;
    let waiting = waiting(&world.live(&laptop).await);
    Step(SECOND).pass(&world.clock, MINUTE * 10 - SECOND).await;
    assert!(!waiting.is_finished());
    Step(SECOND).pass(&world.clock, SECOND * 2).await;
    assert!(waiting.is_finished(), "not at its deadline");
    assert_eq!(waiting.await.unwrap(), EndReason::Idle);
    assert_eq!(world.end_reason(laptop.session.id).await, Some(EndReason::Idle));
}

#[tokio::test]
async fn activity_postpones_the_idle_deadline() {
    let world = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    let waiting = waiting(&live);
    for _ in 0..4 {
        Step(SECOND).pass(&world.clock, MINUTE * 8).await;
        world.live(&laptop).await;
    }
    assert!(!waiting.is_finished());
    Step(SECOND).pass(&world.clock, MINUTE * 10 + SECOND).await;
    assert_eq!(waiting.await.unwrap(), EndReason::Idle);
}

#[tokio::test]
async fn the_absolute_deadline_is_signalled() {
    let timeouts = policy().without_idle_timeout().absolute_timeout(MINUTE * 10);
    let world = World::with(timeouts).await;
    let laptop = world.sign_in().await;
    let waiting = waiting(&world.live(&laptop).await);
    Step(SECOND).pass(&world.clock, MINUTE * 10 - SECOND).await;
    assert!(!waiting.is_finished());
    Step(SECOND).pass(&world.clock, SECOND * 2).await;
    assert_eq!(waiting.await.unwrap(), EndReason::Absolute);
}

#[tokio::test]
async fn an_already_ended_session_is_signalled_immediately() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let mut signal = live.ended_signal();
    assert_eq!(signal.reason(), Some(EndReason::SignedOut));
    assert_eq!(signal.wait().await, EndReason::SignedOut);
    assert_eq!(signal.wait().await, EndReason::SignedOut, "again and again");
}

#[tokio::test]
async fn neither_a_renewal_nor_a_rotation_is_an_end() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    let live = here.live(&laptop).await;
    let waiting = waiting(&live);
    here.clock.advance(LIFETIME);
    here.token(&laptop).await.unwrap();
    there.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap();
    Step::SMALL.pass(&here.clock, MINUTE).await;
    assert!(!waiting.is_finished());
    assert_eq!(live.ended_signal().reason(), None);
    here.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    assert_eq!(waiting.await.unwrap(), EndReason::SignedOut, "nor does it lose the signal");
}

#[tokio::test]
async fn without_watchers_nothing_is_read() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    let signal = live.ended_signal();
    Step::SMALL.pass(&world.clock, SECOND * 20).await;
    assert!(world.store.calls(Method::ListChanges) > 0);
    drop(signal);
    Step::SMALL.pass(&world.clock, SECOND * 5).await;
    world.store.reset_calls();
    Step::SMALL.pass(&world.clock, MINUTE).await;
    assert_eq!(world.store.total_calls(), 0);
}

#[tokio::test]
async fn many_watched_sessions_are_read_in_few_queries() {
    let world = World::with(policy().unlimited()).await;
    let mut signals = Vec::new();
    for _ in 0..300 {
        let device = world.sign_in().await;
        signals.push(world.live(&device).await.ended_signal());
    }
    settle().await;
    world.store.reset_calls();
    world.clock.advance(SECOND * 5);
    settle().await;
    assert_eq!(world.store.calls(Method::ListChanges), 1);
    assert_eq!(world.store.total_calls(), 1);
}

#[tokio::test]
async fn renewal_refused_and_superseded_are_signalled_too() {
    use session_core::provider::ProviderErrorKind;
    use session_core::testing::RenewalScript;
    let world = World::new().await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    let laptops = waiting(&world.live(&laptop).await);
    let phones = waiting(&world.live(&phone).await);
    let again = world.login("ann").supersedes(Some(phone.secret.digest()));
    world.manager.sign_in(again).await.unwrap();
    assert_eq!(phones.await.unwrap(), EndReason::Superseded);
    world.clock.advance(LIFETIME);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Refused, None));
    assert!(world.token(&laptop).await.is_err());
    assert_eq!(laptops.await.unwrap(), EndReason::RenewalRefused);
}

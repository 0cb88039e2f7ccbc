//! A store that is away: few requests wait for it, and the time counts for no idle timeout.

use std::time::Duration;

use session_core::EndReason;
use session_core::clock::Clock as _;
use session_core::manager::{ManagerErrorKind, Resolution, SignedIn};
use session_core::testing::{Fault, Method};
use session_tests::manager::{Step, World, policy, settle};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Asks for a session every second of a span, and returns how many requests did not have to wait.
async fn ask_every_second(world: &World, device: &SignedIn, span: Duration) -> usize {
    let mut answered_at_once = 0;
    for _ in 0..span.as_secs() {
        let (manager, digest) = (world.manager.clone(), device.secret.digest());
        let request = tokio::spawn(async move { manager.resolve(&digest, None).await });
        settle().await;
        if request.is_finished() {
            answered_at_once += 1;
            let error = request.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ManagerErrorKind::Unavailable);
        }
        Step(SECOND / 2).pass(&world.clock, SECOND).await;
    }
    answered_at_once
}

#[tokio::test]
async fn few_requests_wait_for_a_store_that_is_away() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.store.set_all(Fault::HangBefore);
    // The first ones find out.
    ask_every_second(&world, &laptop, SECOND * 10).await;
    let calls = world.store.calls(Method::FindByDigest);
    for _ in 0..10 {
        for _ in 0..100 {
            let (manager, digest) = (world.manager.clone(), laptop.secret.digest());
            tokio::spawn(async move { manager.resolve(&digest, None).await });
        }
        Step(SECOND / 2).pass(&world.clock, SECOND).await;
    }
    let calls = world.store.calls(Method::FindByDigest) - calls;
    assert!((1..=11).contains(&calls), "of a thousand requests {calls} asked the store");

    world.store.clear_all();
    Method::ALL.into_iter().for_each(|method| world.store.release(method));
    Step(SECOND / 2).pass(&world.clock, SECOND).await;
    assert!(matches!(world.resolve(&laptop).await, Resolution::Live(_)), "within a second");
    for _ in 0..100 {
        assert!(matches!(world.resolve(&laptop).await, Resolution::Live(_)));
    }
}

#[tokio::test]
async fn the_time_without_the_store_counts_for_no_idle_timeout() {
    let world = World::with(policy().idle_timeout(MINUTE * 30)).await;
    let [used, left] = [world.sign_in().await, world.sign_in().await];
    world.clock.advance(MINUTE * 20);
    world.live(&used).await;
    settle().await;
    world.store.set_all(Fault::AWAY);
    let asked = ask_every_second(&world, &used, MINUTE * 40).await;
    assert_eq!(asked, 40 * 60, "a store that refuses keeps nobody waiting");
    world.store.clear_all();
    assert!(matches!(world.resolve(&used).await, Resolution::Live(_)));
    world.manager.purge().await.unwrap();
    assert_eq!(world.end_reason(left.session.id).await, None, "20 minutes without use");
    settle().await;
    world.clock.advance(MINUTE * 11);
    assert!(matches!(world.resolve(&used).await, Resolution::Live(_)));
    let resolution = world.resolve(&left).await;
    let Resolution::Ended { ended, .. } = resolution else { panic!("{resolution:?}") };
    assert_eq!(ended.reason, EndReason::Idle, "31 minutes without use");
}

#[tokio::test]
async fn a_single_failure_long_ago_is_no_outage() {
    let world = World::with(policy().idle_timeout(MINUTE * 30)).await;
    let laptop = world.sign_in().await;
    world.store.set_next(Method::List, Fault::AWAY);
    assert!(world.manager.list(&laptop.session.user, None).await.is_err());
    world.clock.advance(MINUTE * 33);
    assert!(matches!(world.resolve(&laptop).await, Resolution::Ended { .. }));
}

#[tokio::test]
async fn a_stream_meets_its_absolute_deadline_without_the_store() {
    let world = World::with(policy().idle_timeout(MINUTE * 10).absolute_timeout(MINUTE * 30)).await;
    let laptop = world.sign_in().await;
    world.clock.advance(MINUTE * 5);
    let signal = world.live(&laptop).await.ended_signal();
    world.store.set_all(Fault::HangBefore);
    Step(SECOND).pass(&world.clock, MINUTE * 24).await;
    assert_eq!(signal.reason(), None, "whether it was used elsewhere is not known");
    Step(SECOND).pass(&world.clock, MINUTE + SECOND * 6).await;
    assert_eq!(signal.reason(), Some(EndReason::Absolute));
    assert!(world.clock.monotonic() > MINUTE);
}

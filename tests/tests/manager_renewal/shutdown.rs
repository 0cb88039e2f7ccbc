//! A shutdown waits for tokens that must not be lost, and starts no renewal.

use std::time::Duration;

use session_core::testing::{Fault, Method};
use session_tests::manager::{DUE, LIFETIME, Step, World, settle, until};

use super::lease::of_another_process;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn law_5_a_shutdown_waits_for_a_write_that_is_repeated() {
    let (world, laptop) = World::due().await;
    world.store.set(Method::WriteTokens, Fault::AWAY);
    world.live(&laptop).await;
    until("a write", || world.store.calls(Method::WriteTokens) > 0).await;

    let (manager, clock) = (world.manager.clone(), world.clock.clone());
    let down = tokio::spawn(async move { manager.shutdown(SECOND * 60).await });
    Step::SMALL.pass(&clock, SECOND * 20).await;
    assert!(!down.is_finished(), "it gave the token up");
    world.store.clear(Method::WriteTokens);
    assert!(Step::SMALL.drive(&clock, down).await.unwrap());
    assert_eq!(world.stored(&laptop).await.access_token(), "at-2");
}

#[tokio::test]
async fn law_5_a_shutdown_gives_up_at_its_deadline() {
    let (world, laptop) = World::due().await;
    world.store.set(Method::WriteTokens, Fault::AWAY);
    world.live(&laptop).await;
    until("a write", || world.store.calls(Method::WriteTokens) > 0).await;

    let (manager, clock) = (world.manager.clone(), world.clock.clone());
    let down = tokio::spawn(async move { manager.shutdown(SECOND * 60).await });
    Step::SMALL.pass(&clock, SECOND * 59).await;
    assert!(!down.is_finished());
    assert!(!Step::SMALL.drive(&clock, down).await.unwrap(), "not all came to its end");
    Step::SMALL.pass(&clock, SECOND * 10).await;
    let tried = world.store.calls(Method::WriteTokens);
    Step::SMALL.pass(&clock, SECOND * 120).await;
    assert_eq!(world.store.calls(Method::WriteTokens), tried, "it still tries");
}

#[tokio::test]
async fn it_waits_for_a_running_call() {
    let (world, laptop) = World::due().await;
    world.provider.answers().close();
    world.live(&laptop).await;
    world.provider.answers().until_held(1).await;
    let manager = world.manager.clone();
    let down = tokio::spawn(async move { manager.shutdown(SECOND * 60).await });
    settle().await;
    assert!(!down.is_finished());
    world.provider.answers().open();
    assert!(down.await.unwrap());
    assert_eq!(world.stored(&laptop).await.refresh_token(), Some("rt-2"));
}

#[tokio::test]
async fn no_renewal_starts_after_a_shutdown() {
    let (world, laptop) = World::due().await;
    assert!(world.manager.shutdown(SECOND * 60).await);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1", "what is valid is served");
    settle().await;
    world.clock.advance(LIFETIME - DUE);
    assert!(world.token(&laptop).await.unwrap_err().is_transient());
    assert_eq!(world.provider.renewals(), 0);
}

#[tokio::test]
async fn a_shutdown_ends_the_watching_of_a_lease() {
    let (world, laptop) = World::expired().await;
    of_another_process(&world, laptop.session.id).await;
    let waiting = world.token_later(&laptop);
    settle().await;
    let manager = world.manager.clone();
    let down = tokio::spawn(async move { manager.shutdown(SECOND * 600).await });
    settle().await;
    assert!(down.is_finished(), "it waits for a lease that it must not use");
    assert!(waiting.await.unwrap().unwrap_err().is_transient());
    Step(SECOND).pass(&world.clock, SECOND * 120).await;
    assert_eq!(world.provider.renewals(), 0);
}

#[tokio::test]
async fn a_renewal_that_waits_for_a_permit_does_not_start_at_a_shutdown() {
    let world = World::with(session_tests::manager::policy().unlimited()).await;
    let mut devices = Vec::new();
    for _ in 0..20 {
        devices.push(world.sign_in().await);
    }
    world.clock.advance(LIFETIME);
    world.provider.requests().close();
    let waiting: Vec<_> = devices.iter().map(|device| world.token_later(device)).collect();
    settle().await;
    let begun = world.provider.renewals();
    assert!(begun < 20);
    let manager = world.manager.clone();
    let down = tokio::spawn(async move { manager.shutdown(SECOND * 60).await });
    settle().await;
    world.provider.requests().open();
    assert!(down.await.unwrap());
    let mut tokens = 0;
    for caller in waiting {
        tokens += usize::from(caller.await.unwrap().is_ok());
    }
    assert_eq!((tokens, world.provider.renewals()), (begun, begun));
}

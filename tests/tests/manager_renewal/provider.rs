//! Every failure of a provider except a refusal keeps the session, and leads to backoff.

use std::time::Duration;

use session_core::event::{EventKind, RenewalFailure};
use session_core::manager::{Resolution, SignedIn};
use session_core::provider::ProviderErrorKind;
use session_core::testing::RenewalScript;
use session_tests::manager::{DUE, LIFETIME, World, policy, settle};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

fn failing(kind: ProviderErrorKind) -> RenewalScript {
    RenewalScript::Fail(kind, None)
}

async fn devices(world: &World, count: usize) -> Vec<SignedIn> {
    let mut devices = Vec::new();
    for _ in 0..count {
        devices.push(world.sign_in().await);
    }
    devices
}

#[tokio::test]
async fn f7_every_other_failure_keeps_the_session_and_is_recorded() {
    use ProviderErrorKind as Kind;
    for (kind, noted) in [
        (Kind::Malformed, RenewalFailure::Unavailable),
        (Kind::Misconfigured, RenewalFailure::Misconfigured),
        (Kind::Throttled, RenewalFailure::Throttled),
        (Kind::Unavailable, RenewalFailure::Unavailable),
        (Kind::Unsupported, RenewalFailure::Misconfigured),
    ] {
        let world = World::new().await;
        let laptop = world.sign_in().await;
        world.provider.script(failing(kind));
        world.clock.advance(DUE);
        assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
        settle().await;
        world.clock.advance(LIFETIME - DUE - MOMENT);
        world.provider.script(failing(kind));
        assert_eq!(world.token(&laptop).await.unwrap(), "at-1", "{kind:?}: still valid");
        settle().await;
        world.clock.advance(MOMENT);
        let error = world.token(&laptop).await.unwrap_err();
        assert!(error.is_transient() && error.retry_after() > Some(Duration::ZERO), "{error:?}");
        assert!(matches!(world.resolve(&laptop).await, Resolution::Live(_)), "{kind:?} ended it");
        let events = world.events(laptop.session.id).await;
        assert_eq!(events.get(1), Some(&EventKind::RenewalFailed(noted)), "{kind:?}");
        world.clock.advance(SECOND * 60);
        assert_eq!(world.token(&laptop).await.unwrap(), "at-2", "{kind:?}: it did not recover");
    }
}

#[tokio::test]
async fn f9_an_unavailable_provider_is_not_called_repeatedly() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.provider.otherwise(failing(ProviderErrorKind::Unavailable));
    world.clock.advance(LIFETIME);
    for _ in 0..600 {
        assert!(world.token(&laptop).await.unwrap_err().is_transient());
        world.clock.advance(SECOND);
    }
    let calls = world.provider.renewals();
    // Few sessions wait for at most fifteen seconds, so that the end of an outage is noticed.
    assert!((40..50).contains(&calls), "{calls} calls in ten minutes of a request each second");
}

#[tokio::test]
async fn f9_a_429_with_retry_after_is_obeyed_by_all_sessions() {
    let world = World::new().await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    let wait = SECOND * 120;
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Throttled, Some(wait)));
    world.clock.advance(LIFETIME);
    let error = world.token(&laptop).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(wait));
    world.clock.advance(wait - MOMENT);
    for device in [&laptop, &phone] {
        let error = world.token(device).await.unwrap_err();
        assert!(error.retry_after() >= Some(MOMENT), "{error:?}");
    }
    assert_eq!(world.provider.renewals(), 1, "it was asked although it said when");
    world.clock.advance(MOMENT);
    assert!(world.token(&laptop).await.is_ok() && world.token(&phone).await.is_ok());
}

#[tokio::test]
async fn f30_renewals_that_wait_for_a_permit_obey_a_429_that_arrives_meanwhile() {
    let world = World::with(policy().unlimited()).await;
    let devices = devices(&world, 40).await;
    let wait = SECOND * 120;
    world.provider.otherwise(RenewalScript::Fail(ProviderErrorKind::Throttled, Some(wait)));
    world.clock.advance(LIFETIME);
    world.provider.requests().close();
    let waiting: Vec<_> = devices.iter().map(|device| world.token_later(device)).collect();
    settle().await;
    let first = world.provider.renewals();
    assert!(first < 40, "all at once");
    world.provider.requests().open();
    for caller in waiting {
        assert!(caller.await.unwrap().unwrap_err().is_transient());
    }
    assert_eq!(world.provider.renewals(), first, "it was asked although it had asked for a pause");
}

#[tokio::test]
async fn f9_a_success_of_an_earlier_call_does_not_cancel_retry_after() {
    let world = World::new().await;
    let devices = devices(&world, 3).await;
    let wait = SECOND * 120;
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Throttled, Some(wait)));
    world.clock.advance(LIFETIME);
    world.provider.requests().close();
    let waiting = [world.token_later(&devices[0]), world.token_later(&devices[1])];
    world.provider.requests().until_held(2).await;
    world.provider.requests().open();
    let mut tokens = Vec::new();
    for caller in waiting {
        tokens.push(caller.await.unwrap().is_ok());
    }
    tokens.sort_unstable();
    assert_eq!(tokens, [false, true]);
    let error = world.token(&devices[2]).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(wait));
    assert_eq!(world.provider.renewals(), 2);
}

#[tokio::test]
async fn one_failure_of_a_busy_provider_does_not_block_it_for_long() {
    let world = World::with(policy().unlimited()).await;
    let devices = devices(&world, 16).await;
    world.clock.advance(LIFETIME);
    for _ in 0..16 {
        world.provider.script(failing(ProviderErrorKind::Unavailable));
    }
    world.provider.requests().close();
    let waiting: Vec<_> = devices.iter().map(|device| world.token_later(device)).collect();
    world.provider.requests().until_held(16).await;
    world.provider.requests().open();
    for caller in waiting {
        let error = caller.await.unwrap().unwrap_err();
        assert!(error.retry_after() <= Some(SECOND * 4), "{error:?}");
    }
    world.clock.advance(SECOND * 4);
    for device in &devices {
        assert!(world.token(device).await.is_ok());
    }
}

#[tokio::test]
async fn a_provider_that_fails_several_times_in_a_row_is_down_for_all() {
    let world = World::new().await;
    let devices = devices(&world, 5).await;
    world.provider.otherwise(failing(ProviderErrorKind::Unavailable));
    world.clock.advance(LIFETIME);
    for device in &devices {
        assert!(world.token(device).await.unwrap_err().is_transient());
    }
    assert_eq!(world.provider.renewals(), 3);
    world.provider.otherwise(RenewalScript::Rotate);
    world.clock.advance(SECOND * 60);
    for device in &devices {
        assert!(world.token(device).await.is_ok());
    }
}

#[tokio::test]
async fn f42_a_rejected_client_ends_no_session_and_stops_the_calls_for_all() {
    let world = World::new().await;
    let devices = devices(&world, 5).await;
    world.provider.otherwise(failing(ProviderErrorKind::Misconfigured));
    world.clock.advance(LIFETIME);
    for device in &devices {
        assert!(world.token(device).await.unwrap_err().is_transient());
    }
    assert_eq!(world.provider.renewals(), 1);
    for device in &devices {
        assert_eq!(world.end_reason(device.session.id).await, None);
    }
    world.provider.otherwise(RenewalScript::Rotate);
    world.clock.advance(SECOND);
    for device in &devices {
        assert!(world.token(device).await.is_ok(), "the secret was put right");
    }
}

#[tokio::test]
async fn the_token_of_an_unregistered_provider_is_served_until_it_expires() {
    use session_core::manager::TokenErrorKind;
    use session_core::testing::{FakeClock, sample};
    use session_tests::manager::keyring;
    let (store, clock) = (session_core::store::memory::MemoryStore::new(), FakeClock::new());
    let manager = session_core::SessionManager::builder(store).keyring(keyring());
    let manager = manager.clock(clock.clone()).start().await.unwrap();
    let (ann, okta) = (sample::user("ann"), sample::provider("okta"));
    let connected = manager.connect(&ann, &okta, sample::response()).await.unwrap();
    clock.advance(LIFETIME - MOMENT);
    assert!(manager.access_token(&connected.session.user, connected.session.id).await.is_ok());
    clock.advance(MOMENT);
    let error =
        manager.access_token(&connected.session.user, connected.session.id).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::SignInNeeded);
}

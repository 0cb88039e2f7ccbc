//! Backoff is the session's, and the provider's only where the trouble is the provider's.

use session_core::manager::{SignedIn, TokenErrorKind};
use session_core::provider::ProviderErrorKind;
use session_core::testing::{RenewalScript, ScriptedProvider};

use crate::world::{EXPIRED, SECOND, World, policy, settle};

const FAIL: fn(ProviderErrorKind) -> RenewalScript = |kind| RenewalScript::Fail(kind, None);

async fn expired(names: &[&str]) -> (World, Vec<SignedIn>) {
    let world = World::with(policy().unlimited(), ScriptedProvider::new()).await;
    let mut devices = Vec::new();
    for name in names {
        devices.push(world.sign_in(name).await);
    }
    world.clock.advance(EXPIRED);
    (world, devices)
}

/// Ten minutes in which the provider fails one session, which asks each second, and would serve
/// the other, which asks each `every` seconds. Returns how often the other was refused.
async fn refused(kind: ProviderErrorKind, every: u32) -> u32 {
    let (world, devices) = expired(&["bad", "good"]).await;
    let [bad, good] = &devices[..] else { unreachable!() };
    let mut refused = 0;
    for second in 0..600 {
        world.provider.otherwise(FAIL(kind));
        drop(world.token(bad).await);
        if second % every == every / 2 {
            world.provider.otherwise(RenewalScript::Rotate);
            match world.token(good).await {
                Ok(_) => return refused,
                Err(_) => refused += 1,
            }
        }
        world.clock.advance(SECOND);
    }
    refused
}

#[tokio::test]
async fn trouble_of_one_session_does_not_refuse_another() {
    use ProviderErrorKind::{Malformed, Rejected, Unavailable};
    for kind in [Rejected, Malformed, Unavailable] {
        for every in [10, 3] {
            assert_eq!(refused(kind, every).await, 0, "{kind:?}, asking each {every} s");
        }
    }
}

#[tokio::test]
async fn after_an_error_of_the_client_a_different_session_probes() {
    let refused = refused(ProviderErrorKind::Misconfigured, 10).await;
    assert!(refused <= 1, "refused {refused} times while the provider would have served it");
}

#[tokio::test]
async fn sessions_that_keep_failing_do_not_shut_out_one_that_does_not() {
    let (world, devices) = expired(&["bad-1", "bad-2", "bad-3", "good"]).await;
    let [bad @ .., good] = &devices[..] else { unreachable!() };
    let mut refused = 0;
    for second in 0..600 {
        world.provider.otherwise(FAIL(ProviderErrorKind::Unavailable));
        for device in bad {
            drop(world.token(device).await);
        }
        if second % 10 == 5 {
            world.provider.otherwise(RenewalScript::Rotate);
            match world.token(good).await {
                Ok(_) => break,
                Err(_) => refused += 1,
            }
        }
        world.clock.advance(SECOND);
    }
    assert!(refused <= 1, "refused {refused} times");
}

#[tokio::test]
async fn a_provider_that_is_down_gets_few_calls_and_serves_all_at_once_when_it_is_back() {
    let names: Vec<String> = (0..20).map(|number| format!("user-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (world, devices) = expired(&names).await;
    world.provider.otherwise(FAIL(ProviderErrorKind::Unavailable));
    for _ in 0..400 {
        for device in &devices {
            assert!(world.token(device).await.unwrap_err().is_transient());
        }
        world.clock.advance(SECOND);
    }
    let calls = world.provider.renewals();
    assert!(calls < 40, "{calls} calls in seven minutes");

    world.provider.otherwise(RenewalScript::Rotate);
    let mut waited = 0;
    while world.token(&devices[0]).await.is_err() {
        let mut served = false;
        for device in &devices {
            served |= world.token(device).await.is_ok();
        }
        if !served {
            world.clock.advance(SECOND);
            waited += 1;
        }
    }
    assert!(waited <= 60, "{waited} s after it was back");
    for device in &devices {
        assert!(world.token(device).await.is_ok(), "one success is enough for all");
    }
}

#[tokio::test]
async fn the_number_of_concurrent_renewals_is_a_value_of_the_policy() {
    let policy = policy().unlimited().max_concurrent_renewals(3);
    let world = World::with(policy, ScriptedProvider::new()).await;
    let mut devices = Vec::new();
    for _ in 0..10 {
        devices.push(world.sign_in("ann").await);
    }
    world.clock.advance(EXPIRED);
    world.provider.requests().close();
    let waiting: Vec<_> = devices.iter().map(|device| world.token_later(device)).collect();
    for _ in 0..5 {
        settle().await;
    }
    assert_eq!(world.provider.renewals(), 3);
    world.provider.requests().open();
    for caller in waiting {
        assert!(caller.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn with_few_sessions_the_end_of_an_outage_is_noticed_soon() {
    let (world, devices) = expired(&["ann", "bob"]).await;
    world.provider.otherwise(FAIL(ProviderErrorKind::Unavailable));
    for _ in 0..130 {
        for device in &devices {
            assert!(world.token(device).await.is_err());
        }
        world.clock.advance(SECOND);
    }
    world.provider.otherwise(RenewalScript::Rotate);
    for device in &devices {
        let mut waited = 0;
        while world.token(device).await.is_err() {
            world.clock.advance(SECOND);
            waited += 1;
        }
        assert!(waited <= 15, "{waited} s after the provider was back");
    }
}

#[tokio::test]
async fn a_refresh_token_that_is_rejected_again_and_again_needs_a_sign_in() {
    let (world, devices) = expired(&["ann"]).await;
    let [laptop] = &devices[..] else { unreachable!() };
    world.provider.otherwise(FAIL(ProviderErrorKind::Rejected));
    let mut minutes = 0;
    let error = loop {
        let error = world.token(laptop).await.unwrap_err();
        if error.needs_sign_in() {
            break error;
        }
        assert!(error.is_transient(), "{error}");
        world.clock.advance(SECOND * 60);
        minutes += 1;
        assert!(minutes < 60, "for ever");
    };
    assert_eq!(error.kind(), TokenErrorKind::SignInNeeded);
    assert!(minutes >= 10, "after {minutes} minutes already");
    let calls = world.provider.renewals();
    for _ in 0..600 {
        assert!(world.token(laptop).await.unwrap_err().needs_sign_in());
        world.clock.advance(SECOND * 60);
    }
    assert_eq!(world.provider.renewals(), calls, "calls meanwhile");
    assert!(world.row(laptop).await.session.is_live());

    world.provider.otherwise(RenewalScript::Rotate);
    world.clock.advance(SECOND * 60 * 60 * 15);
    assert!(world.token(laptop).await.is_ok(), "it is asked again a day later");
}

#[tokio::test]
async fn tokens_that_were_renewed_elsewhere_are_not_the_rejected_ones() {
    let (world, devices) = expired(&["ann"]).await;
    let [laptop] = &devices[..] else { unreachable!() };
    let there = world.another().await;
    world.provider.otherwise(FAIL(ProviderErrorKind::Rejected));
    while !world.token(laptop).await.unwrap_err().needs_sign_in() {
        world.clock.advance(SECOND * 60);
    }
    world.provider.otherwise(RenewalScript::Rotate);
    assert!(there.token(laptop).await.is_ok());
    world.clock.advance(EXPIRED);
    assert!(world.token(laptop).await.is_ok(), "the tokens are others");
}

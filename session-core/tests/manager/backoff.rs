//! Backoff is the session's, and the provider's only where the trouble is the provider's.

use session_core::manager::SignedIn;
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

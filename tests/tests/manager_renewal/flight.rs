//! One renewal for all callers, in one process and in several; a disconnecting caller does not stop it.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use session_core::manager::TokenErrorKind;
use session_core::middleware::SessionManagerExt as _;
use session_core::provider::{Provider, ProviderError};
use session_core::store::memory::MemoryStore;
use session_core::testing::{FakeClock, Fault, Method, sample};
use session_core::{SessionManager, TokenResponse, TokenSet};
use session_tests::manager::{DUE, LIFETIME, OKTA, Step, World, keyring, policy, settle};

#[tokio::test]
async fn f2_a_hundred_callers_make_one_call() {
    let (world, laptop) = World::expired().await;
    world.provider.requests().close();
    let callers: Vec<_> = (0..100).map(|_| world.token_later(&laptop)).collect();
    world.provider.requests().until_held(1).await;
    settle().await;
    assert_eq!(world.provider.requests().held(), 1);
    world.provider.requests().open();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), "at-2");
    }
    assert_eq!(world.provider.sent(), ["rt-1"]);
}

#[tokio::test]
async fn f2_f3_law_4_two_nodes_make_one_call_too() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    here.clock.advance(LIFETIME);
    here.provider.requests().close();
    let callers: Vec<_> =
        (0..100).map(|n| if n % 2 == 0 { &here } else { &there }.token_later(&laptop)).collect();
    here.provider.requests().until_held(1).await;
    Step::SMALL.pass(&here.clock, Duration::from_secs(8)).await;
    assert_eq!(here.provider.requests().held(), 1, "the other node does not ask as well");
    here.provider.requests().open();
    for caller in callers {
        let token = Step::SMALL.drive(&here.clock, caller).await;
        assert_eq!(token.unwrap().unwrap(), "at-2");
    }
    assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
    assert_eq!(here.row(laptop.session.id).await.lease, None, "the lease was given back");
}

#[tokio::test]
async fn f3_the_owner_of_the_lease_reads_the_row_again_before_it_calls_the_provider() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    here.clock.advance(LIFETIME);
    // This node has read the row, and comes late with its claim.
    here.store.set_next(Method::ClaimLease, Fault::HangBefore);
    let late = here.token_later(&laptop);
    here.store.until_hanging(Method::ClaimLease, 1).await;
    assert_eq!(there.token(&laptop).await.unwrap(), "at-2");
    here.store.release(Method::ClaimLease);
    assert_eq!(late.await.unwrap().unwrap(), "at-2");
    assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
}

#[tokio::test]
async fn f4_a_request_with_an_old_snapshot_gets_the_result() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    here.clock.advance(LIFETIME);
    let snapshots = [here.live(&laptop).await, there.live(&laptop).await];
    assert_eq!(here.token(&laptop).await.unwrap(), "at-2");
    for (world, snapshot) in [&here, &there].into_iter().zip(snapshots) {
        assert_eq!(snapshot.tokens().access_token(), "at-1");
        let live = world.manager.with_valid_token(&snapshot).await.unwrap();
        assert_eq!(live.tokens().access_token(), "at-2");
        assert_eq!(live.session().revision, 2);
    }
    assert_eq!(here.provider.renewals(), 1);
}

#[tokio::test]
async fn f10_a_disconnecting_caller_loses_nothing() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    for (round, at_answer) in [(2, false), (3, true)] {
        world.clock.advance(LIFETIME);
        let gate = if at_answer { world.provider.answers() } else { world.provider.requests() };
        gate.close();
        let caller = world.token_later(&laptop);
        gate.until_held(1).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        gate.open();
        settle().await;
        assert_eq!(world.stored(&laptop).await.access_token(), format!("at-{round}"));
        assert_eq!(world.token(&laptop).await.unwrap(), format!("at-{round}"));
    }
    assert_eq!((world.provider.renewals(), world.provider.reuses()), (2, 0));
}

#[tokio::test]
async fn f24_sessions_are_renewed_separately() {
    let world = World::new().await;
    let (phone, laptop) = (world.sign_in().await, world.sign_in().await);
    world.clock.advance(DUE);
    world.provider.requests().close();
    world.live(&phone).await;
    world.live(&laptop).await;
    world.provider.requests().until_held(2).await;
    world.provider.requests().open();
    settle().await;
    let mut sent = world.provider.sent();
    sent.sort_unstable();
    assert_eq!(sent, ["rt-1", "rt-2"]);
    let tokens = [world.stored(&phone).await, world.stored(&laptop).await];
    let mut tokens: Vec<_> = tokens.iter().map(|tokens| tokens.access_token()).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, ["at-3", "at-4"]);
}

#[tokio::test]
async fn a_caller_that_joins_a_renewal_after_a_rejection_is_not_served_an_expired_token() {
    let (world, laptop) = World::expired().await;
    let snapshot = world.live(&laptop).await;
    // An earlier token was rejected, and the stored one has expired since.
    let (user, id) = (&laptop.session.user, laptop.session.id);
    let (rejected, joined) = tokio::join!(
        world.manager.access_token_after_rejection(user, id, "at-0"),
        world.manager.with_valid_token(&snapshot),
    );
    assert_eq!(rejected.unwrap().access_token(), "at-2");
    assert_eq!(joined.unwrap().tokens().access_token(), "at-2");
    assert_eq!(world.provider.renewals(), 1);
}

#[derive(Debug)]
struct Panicking;

#[async_trait]
impl Provider for Panicking {
    async fn renew(&self, _: &TokenSet) -> Result<TokenResponse, ProviderError> {
        panic!("a panicking provider");
    }

    async fn revoke(&self, _: &SecretString) -> Result<(), ProviderError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_renewal_that_panics_is_a_transient_failure_and_blocks_no_later_one() {
    let clock = FakeClock::new();
    let manager = SessionManager::builder(MemoryStore::new())
        .policy(policy().build().unwrap())
        .keyring(keyring())
        .clock(clock.clone())
        .provider("*", Panicking)
        .start()
        .await
        .unwrap();
    let tokens = sample::response();
    let connected =
        manager.connect(&sample::user("ann"), &sample::provider(OKTA), tokens).await.unwrap();
    clock.advance(LIFETIME);
    for _ in 0..2 {
        let asked = manager.access_token(&connected.session.user, connected.session.id);
        let error = Step::SMALL.drive(&clock, asked).await.unwrap_err();
        assert!(matches!(error.kind(), TokenErrorKind::Unavailable { .. }), "{error:?}");
    }
}

//! The lease and the provider's queue: one process at a time, through hangs, freezes and outages.

use session_core::manager::SignedIn;
use session_core::testing::{Fault, Method, ScriptedProvider};

use crate::world::{EXPIRED, MINUTE, SECOND, World, policy, settle};

const STEP: std::time::Duration = std::time::Duration::from_millis(250);

/// Two nodes, of which the first has expired tokens of one device.
async fn two_nodes() -> (World, World, SignedIn) {
    let policy = policy().max_renewal_wait(MINUTE * 10);
    let here = World::with(policy, ScriptedProvider::new().with_reuse_detection()).await;
    let there = here.another().await;
    let laptop = here.sign_in("ann").await;
    here.clock.advance(EXPIRED);
    (here, there, laptop)
}

#[tokio::test]
async fn a_session_that_waits_for_its_turn_holds_no_lease() {
    let policy = policy().unlimited().provider_timeout(MINUTE).lease_term(MINUTE * 2);
    let world = World::with(policy, ScriptedProvider::new()).await;
    let mut devices = Vec::new();
    for number in 0..200 {
        devices.push(world.sign_in(&format!("user-{number}")).await);
    }
    world.clock.advance(EXPIRED);
    world.provider.requests().close();
    let waiting: Vec<_> = devices.iter().map(|device| world.token_later(device)).collect();
    for _ in 0..50 {
        settle().await;
    }
    assert_eq!(world.provider.renewals(), 16);
    assert_eq!(world.store.calls(Method::ClaimLease), 16, "leases held");
    world.store.reset_calls();
    world.clock.advance(SECOND * 30);
    for _ in 0..50 {
        settle().await;
    }
    assert_eq!(world.store.calls(Method::Heartbeat), 16, "heartbeats in a quarter of a term");
    world.provider.requests().open();
    for _ in 0..50 {
        settle().await;
    }
    drop(waiting);
    assert_eq!(world.provider.renewals(), 200);
}

#[tokio::test]
async fn a_lease_that_another_process_holds_takes_no_place_in_the_queue() {
    let policy = policy().unlimited().max_renewal_wait(MINUTE * 10);
    let here = World::with(policy, ScriptedProvider::new()).await;
    let there = here.another().await;
    let mut stuck = Vec::new();
    for _ in 0..16 {
        stuck.push(here.sign_in("ann").await);
    }
    let free = here.sign_in("bob").await;
    here.clock.advance(EXPIRED);
    here.provider.requests().close();
    let holding: Vec<_> = stuck.iter().map(|device| here.token_later(device)).collect();
    here.provider.requests().until_held(16).await;
    let watching: Vec<_> = stuck.iter().map(|device| there.token_later(device)).collect();
    settle().await;
    let served = there.token_later(&free);
    here.provider.requests().until_held(17).await;
    here.provider.requests().open();
    assert!(served.await.unwrap().is_ok());
    drop((holding, watching));
}

/// The owner's writes and heartbeats hang; another node watches its lease.
async fn hanging(writes: usize, heartbeats: usize) -> (usize, usize) {
    let (here, there, laptop) = two_nodes().await;
    here.provider.answers().close();
    let first = here.token_later(&laptop);
    here.provider.answers().until_held(1).await;
    let second = there.token_later(&laptop);
    settle().await;
    for _ in 0..writes {
        here.store.set_next(Method::WriteTokens, Fault::HangBefore);
    }
    for _ in 0..heartbeats {
        here.store.set_next(Method::Heartbeat, Fault::HangBefore);
    }
    here.provider.answers().open();
    here.pass(MINUTE * 5, STEP).await;
    assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    (here.provider.renewals(), here.provider.reuses())
}

#[tokio::test]
async fn law_4_an_owner_whose_writes_and_heartbeats_hang_is_not_overtaken() {
    for (writes, heartbeats) in [(1, 1), (2, 2), (3, 2), (3, 3)] {
        let sent = hanging(writes, heartbeats).await;
        assert_eq!(sent, (1, 0), "renewals and reuses, {writes} and {heartbeats} hang");
    }
}

#[tokio::test]
async fn a_freeze_while_the_answer_arrives_spends_no_token_twice() {
    let (here, there, laptop) = two_nodes().await;
    here.provider.answers().close();
    let first = here.token_later(&laptop);
    here.provider.answers().until_held(1).await;
    let second = there.token_later(&laptop);
    settle().await;
    // The process stood still. When it goes on, its timer is seen before its socket.
    here.clock.advance(SECOND * 11);
    settle().await;
    here.provider.answers().open();
    here.pass(MINUTE * 3, STEP).await;
    assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0), "renewals and reuses");
    assert_eq!(first.await.unwrap().unwrap(), "at-2");
    assert_eq!(second.await.unwrap().unwrap(), "at-2");
}

#[tokio::test]
async fn a_freeze_longer_than_the_term_still_reads_what_has_arrived() {
    let (here, _, laptop) = two_nodes().await;
    here.provider.answers().close();
    let first = here.token_later(&laptop);
    here.provider.answers().until_held(1).await;
    here.clock.advance(MINUTE * 10);
    settle().await;
    here.provider.answers().open();
    here.pass(MINUTE, STEP).await;
    drop(first);
    assert_eq!(here.provider.renewals(), 1);
    assert_eq!(here.token(&laptop).await.unwrap(), "at-2");
}

#[tokio::test]
async fn after_an_unknown_outcome_the_lease_is_kept_and_the_next_owner_is_told() {
    let (here, there, laptop) = two_nodes().await;
    let term = here.manager.policy().renewal().lease_term;
    here.provider.requests().close();
    let first = here.token_later(&laptop);
    here.provider.requests().until_held(1).await;
    here.pass(SECOND * 11, STEP).await;
    assert_eq!(here.provider.requests().held(), 1, "the answer is still waited for");
    let lease = here.row(&laptop).await.lease;
    assert!(lease.is_some(), "the lease is kept");
    here.pass(term, STEP).await;
    assert_eq!(here.provider.requests().held(), 0, "not for ever");
    assert!(
        here.row(&laptop).await.lease.is_some(),
        "the next owner must see that it stands still"
    );
    assert!(first.await.unwrap().unwrap_err().is_transient());

    // A refusal proves nothing yet: the next owner waits for a term before it ends the session.
    here.provider.requests().open();
    here.provider.otherwise(session_core::testing::RenewalScript::Fail(
        session_core::provider::ProviderErrorKind::Refused,
        None,
    ));
    let asked = there.provider.renewals();
    let next = there.token_later(&laptop);
    while there.provider.renewals() == asked {
        there.pass(SECOND, STEP).await;
    }
    assert!(there.row(&laptop).await.session.is_live(), "ended at once");
    there.pass(term * 2, STEP).await;
    assert!(!there.row(&laptop).await.session.is_live());
    assert!(next.await.unwrap().is_err());
}

#[tokio::test]
async fn a_lease_is_released_once_the_store_is_back() {
    let (here, there, laptop) = two_nodes().await;
    here.store.set_next(Method::Heartbeat, Fault::AWAY);
    for _ in 0..3 {
        here.store.set_next(Method::ReleaseLease, Fault::AWAY);
    }
    assert!(here.token(&laptop).await.unwrap_err().is_transient());
    assert!(here.row(&laptop).await.lease.is_some());
    here.pass(SECOND * 5, STEP).await;
    assert_eq!(here.row(&laptop).await.lease, None, "the release was not tried again");
    assert!(there.token(&laptop).await.is_ok());
}

#[tokio::test]
async fn a_process_does_not_wait_for_a_lease_of_its_own() {
    let (here, _, laptop) = two_nodes().await;
    here.store.set_next(Method::Heartbeat, Fault::AWAY);
    here.store.set(Method::ReleaseLease, Fault::AWAY);
    assert!(here.token(&laptop).await.unwrap_err().is_transient());
    let again = here.token_later(&laptop);
    settle().await;
    assert!(again.is_finished(), "it watches itself");
    assert_eq!(again.await.unwrap().unwrap(), "at-2");
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_no_foreign_lease() {
    let (here, _, laptop) = two_nodes().await;
    here.store.set_next(Method::ClaimLease, Fault::ANSWER_LOST);
    here.store.set_next(Method::ReleaseLease, Fault::AWAY);
    assert!(here.token(&laptop).await.unwrap_err().is_transient());
    let again = here.token_later(&laptop);
    settle().await;
    assert!(again.is_finished(), "it watches itself");
    assert_eq!(again.await.unwrap().unwrap(), "at-2");
}

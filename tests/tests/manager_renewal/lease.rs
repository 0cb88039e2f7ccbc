//! One lease at a time, whatever the clocks show (law 4, F5).

use std::time::Duration;

use session_core::SessionId;
use session_core::manager::SignedIn;
use session_core::store::Lease;
use session_core::testing::{Fault, Method, ScriptedProvider};
use session_tests::manager::{LIFETIME, Step, TERM, World, policy, settle, until};

const SECOND: Duration = Duration::from_secs(1);

/// A lease of a process that is not here; the test decides whether it lives.
pub(crate) async fn of_another_process(world: &World, id: SessionId) -> Lease {
    let lease = Lease::new(TERM);
    assert!(world.sessions().claim_lease(id, None, &lease).await.unwrap().is_some());
    lease
}

#[tokio::test]
async fn law_4_the_lease_of_a_dead_owner_is_taken_over_after_a_whole_term_without_a_heartbeat() {
    let (world, laptop) = World::expired().await;
    of_another_process(&world, laptop.session.id).await;
    let waiting = world.token_later(&laptop);
    Step::SMALL.pass(&world.clock, TERM - SECOND).await;
    assert!(waiting.await.unwrap().unwrap_err().is_transient(), "503 after the longest wait");
    assert_eq!(world.provider.renewals(), 0, "taken over before the term was over");
    let waiting = world.token_later(&laptop);
    Step::SMALL.pass(&world.clock, SECOND * 2).await;
    assert_eq!(waiting.await.unwrap().unwrap(), "at-2");
    assert_eq!(world.row(laptop.session.id).await.lease, None);
}

#[tokio::test]
async fn law_8_a_jump_of_the_wall_clock_does_not_expire_a_lease() {
    let (world, laptop) = World::expired().await;
    of_another_process(&world, laptop.session.id).await;
    let waiting = world.token_later(&laptop);
    settle().await;
    for _ in 0..10 {
        world.clock.suspend(SECOND * 3600);
        Step::SMALL.pass(&world.clock, SECOND * 2).await;
    }
    assert_eq!(world.provider.renewals(), 0);
    waiting.abort();
}

#[tokio::test]
async fn law_4_an_owner_with_a_heartbeat_is_never_overtaken() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let id = laptop.session.id;
    world.clock.advance(LIFETIME);
    let mut lease = of_another_process(&world, id).await;
    let waiting = world.token_later(&laptop);
    for _ in 0..12 {
        Step::SMALL.pass(&world.clock, TERM - SECOND).await;
        assert!(world.sessions().heartbeat(id, &lease).await.unwrap(), "overtaken");
        lease = lease.raised();
    }
    assert_eq!(world.provider.renewals(), 0);
    Step::SMALL.pass(&world.clock, TERM + SECOND).await;
    assert_eq!(world.provider.renewals(), 1, "now it is dead");
    assert!(waiting.await.unwrap().unwrap_err().is_transient());
}

#[tokio::test]
async fn f5_a_node_with_a_slow_provider_keeps_its_lease() {
    let slow = policy().provider_timeout(SECOND * 600).lease_term(SECOND * 1200);
    let here = World::with(slow).await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    here.clock.advance(LIFETIME);
    here.provider.requests().close();
    let first = here.token_later(&laptop);
    here.provider.requests().until_held(1).await;
    let second = there.token_later(&laptop);
    let before = here.row(laptop.session.id).await.lease.unwrap();
    Step(SECOND).pass(&here.clock, SECOND * 599).await;
    let after = here.row(laptop.session.id).await.lease.unwrap();
    assert_eq!(before.owner, after.owner);
    assert!(after.heartbeat > before.heartbeat, "no heartbeat");
    here.provider.requests().open();
    drop((first.await, second.await));
    assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
}

#[tokio::test]
async fn law_4_an_outage_of_the_watcher_proves_nothing_about_the_owner() {
    let (world, laptop) = World::expired().await;
    of_another_process(&world, laptop.session.id).await;
    let waiting = world.token_later(&laptop);
    Step::SMALL.pass(&world.clock, TERM - SECOND).await;
    world.store.set(Method::Find, Fault::AWAY);
    Step::SMALL.pass(&world.clock, SECOND * 60).await;
    world.store.clear(Method::Find);
    Step::SMALL.pass(&world.clock, TERM - SECOND).await;
    assert_eq!(world.provider.renewals(), 0, "the time of the outage counted");
    Step::SMALL.pass(&world.clock, SECOND * 2).await;
    assert_eq!(world.provider.renewals(), 1);
    waiting.abort();
}

#[tokio::test]
async fn law_4_a_machine_that_was_suspended_after_its_heartbeat_does_not_send() {
    let (world, laptop) = World::expired().await;
    world.store.set(Method::Heartbeat, Fault::HangAfter);
    let waiting = world.token_later(&laptop);
    world.store.until_hanging(Method::Heartbeat, 1).await;
    world.clock.suspend(TERM - SECOND * 10);
    world.store.release(Method::Heartbeat);
    until("a second beat", || world.store.calls(Method::Heartbeat) == 2).await;
    assert_eq!(world.provider.renewals(), 0, "it sent although the term may be over");
    world.store.clear(Method::Heartbeat);
    assert_eq!(waiting.await.unwrap().unwrap(), "at-2", "it began again");
}

#[tokio::test]
async fn law_4_after_a_slow_heartbeat_on_the_monotonic_clock_the_owner_does_not_send() {
    let patient = policy().lease_term(SECOND * 100).provider_timeout(SECOND * 50);
    let patient = patient.store_timeout(SECOND * 12).max_renewal_wait(SECOND * 600);
    let world = World::with(patient).await;
    let laptop = world.sign_in().await;
    world.clock.advance(LIFETIME);
    world.store.set(Method::Heartbeat, Fault::HangAfter);
    let waiting = world.token_later(&laptop);
    world.store.until_hanging(Method::Heartbeat, 1).await;
    world.clock.advance(SECOND * 60);
    world.store.release(Method::Heartbeat);
    until("a second beat", || world.store.calls(Method::Heartbeat) == 2).await;
    assert_eq!(world.provider.renewals(), 0, "it sent although the term may be over");
    world.store.clear(Method::Heartbeat);
    assert_eq!(waiting.await.unwrap().unwrap(), "at-2");
}

#[tokio::test]
async fn law_4_an_owner_that_was_overtaken_before_it_sent_does_not_send() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let id = laptop.session.id;
    world.clock.advance(LIFETIME);
    world.store.set_next(Method::Heartbeat, Fault::HangBefore);
    let waiting = world.token_later(&laptop);
    world.store.until_hanging(Method::Heartbeat, 1).await;
    let mine = world.row(id).await.lease.unwrap();
    let theirs = Lease::new(TERM);
    assert!(world.sessions().claim_lease(id, Some(&mine), &theirs).await.unwrap().is_some());
    world.store.release(Method::Heartbeat);
    settle().await;
    assert_eq!(world.provider.renewals(), 0);
    assert_eq!(world.row(id).await.lease, Some(theirs), "nor does it give back what is not its");
    waiting.abort();
}

/// A node with much time for a provider, and a session whose long-lived token has expired.
async fn slow() -> (World, SignedIn) {
    let day = SECOND * 24 * 3600;
    let policy = policy().provider_timeout(SECOND * 300).lease_term(SECOND * 600);
    let provider = ScriptedProvider::new().with_reuse_detection().with_lifetime(Some(day));
    let world = World::of(policy, provider).await;
    let laptop = world.sign_in().await;
    world.clock.advance(day);
    (world, laptop)
}

#[tokio::test]
async fn law_4_an_owner_continues_after_a_heartbeat_whose_result_was_lost() {
    let (here, laptop) = slow().await;
    let there = here.another().await;
    here.provider.answers().close();
    let first = here.token_later(&laptop);
    here.provider.answers().until_held(1).await;
    // The result of one heartbeat is lost while the provider is called; then only writes fail.
    here.store.set_next(Method::Heartbeat, Fault::ANSWER_LOST);
    here.store.set(Method::WriteTokens, Fault::AWAY);
    Step(SECOND).pass(&here.clock, SECOND * 290).await;
    here.provider.answers().open();
    let second = there.token_later(&laptop);
    Step(SECOND).pass(&here.clock, SECOND * 2000).await;
    assert_eq!(here.provider.renewals(), 1, "it was taken for dead");
    here.store.clear(Method::WriteTokens);
    Step(SECOND).pass(&here.clock, SECOND * 100).await;
    drop((first.await, second.await));
    assert_eq!(here.stored(&laptop).await.access_token(), "at-2");
    assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
}

#[tokio::test]
async fn law_4_a_response_during_a_heartbeat_costs_no_later_heartbeat() {
    let (here, laptop) = slow().await;
    let there = here.another().await;
    here.provider.answers().close();
    let first = here.token_later(&laptop);
    here.provider.answers().until_held(1).await;
    here.store.set_next(Method::Heartbeat, Fault::HangAfter);
    Step(SECOND).pass(&here.clock, SECOND * 150).await;
    here.store.until_hanging(Method::Heartbeat, 1).await;
    here.store.set(Method::WriteTokens, Fault::AWAY);
    here.provider.answers().open();
    let second = there.token_later(&laptop);
    Step(SECOND).pass(&here.clock, SECOND * 2000).await;
    assert_eq!(here.provider.renewals(), 1, "it was taken for dead");
    here.store.clear(Method::WriteTokens);
    Step(SECOND).pass(&here.clock, SECOND * 100).await;
    drop((first.await, second.await));
    assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
}

#[tokio::test]
async fn a_claim_whose_response_was_lost_blocks_no_later_claim() {
    let (world, laptop) = World::expired().await;
    world.store.set_next(Method::ClaimLease, Fault::ANSWER_LOST);
    assert!(world.token(&laptop).await.unwrap_err().is_transient());
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2", "without waiting for a term");
}

#[tokio::test]
async fn f6_a_failed_lease_keeps_the_session_and_the_valid_token() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.store.set(Method::ClaimLease, Fault::AWAY);
    world.clock.advance(LIFETIME - SECOND);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
    settle().await;
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
    world.clock.advance(SECOND);
    let error = world.token(&laptop).await.unwrap_err();
    assert!(error.is_transient() && !error.needs_sign_in());
    assert_eq!(world.provider.renewals(), 0);
    world.store.clear(Method::ClaimLease);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
}

#[tokio::test]
async fn f31_nothing_is_held_in_the_store_while_the_provider_is_asked() {
    let (world, laptop) = World::expired().await;
    world.provider.requests().close();
    let waiting = world.token_later(&laptop);
    world.provider.requests().until_held(1).await;
    let phone = world.sign_in().await;
    assert!(world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.is_ok());
    assert_eq!(world.manager.list(&phone.session.user, None).await.unwrap().len(), 2);
    world.provider.requests().open();
    let token = Step::SMALL.drive(&world.clock, waiting).await;
    assert_eq!(token.unwrap().unwrap(), "at-3");
}

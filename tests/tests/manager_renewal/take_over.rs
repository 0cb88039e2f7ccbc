//! After a takeover a refusal proves nothing yet: the former owner may have the rotated token.

use std::time::Duration;

use session_core::EndReason;
use session_core::manager::{SignedIn, TokenError, TokenErrorKind};
use session_core::provider::ProviderErrorKind;
use session_core::testing::RenewalScript;
use session_tests::manager::{LIFETIME, Step, TERM, World};
use tokio::task::JoinHandle;

use super::lease::of_another_process;
use super::refusal::renew_elsewhere;

const SECOND: Duration = Duration::from_secs(1);
const REFUSED: RenewalScript = RenewalScript::Fail(ProviderErrorKind::Refused, None);

/// A session whose lease was just taken over from an owner who stood still, and whose refresh
/// token was refused right then.
async fn refused_after_take_over() -> (World, SignedIn, JoinHandle<Result<String, TokenError>>) {
    let world = World::with(session_tests::manager::policy().max_renewal_wait(SECOND * 600)).await;
    let laptop = world.sign_in().await;
    world.clock.advance(LIFETIME);
    of_another_process(&world, laptop.session.id).await;
    world.provider.script(REFUSED);
    let waiting = world.token_later(&laptop);
    Step::SMALL.pass(&world.clock, TERM + SECOND).await;
    assert_eq!(world.provider.renewals(), 1, "it was not taken over");
    (world, laptop, waiting)
}

#[tokio::test]
async fn a_refusal_after_a_take_over_ends_the_session_one_whole_term_later() {
    let (world, laptop, waiting) = refused_after_take_over().await;
    Step::SMALL.pass(&world.clock, TERM - SECOND * 3).await;
    assert_eq!(world.end_reason(laptop.session.id).await, None, "not yet");
    Step::SMALL.pass(&world.clock, SECOND * 6).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::RenewalRefused));
    assert_eq!(world.end_reason(laptop.session.id).await, Some(EndReason::RenewalRefused));
    assert_eq!(world.provider.renewals(), 1);
}

#[tokio::test]
async fn f8_if_the_former_owners_write_succeeds_meanwhile_its_tokens_win() {
    let (world, laptop, waiting) = refused_after_take_over().await;
    Step::SMALL.pass(&world.clock, TERM - SECOND * 3).await;
    let theirs = renew_elsewhere(&world, laptop.session.id).await;
    let token = Step::SMALL.drive(&world.clock, waiting).await;
    assert_eq!(token.unwrap().unwrap(), theirs);
    assert_eq!(world.end_reason(laptop.session.id).await, None);
    assert_eq!(world.row(laptop.session.id).await.lease, None);
}

#[tokio::test]
async fn a_new_secret_meanwhile_does_not_shorten_the_wait() {
    let (world, laptop, waiting) = refused_after_take_over().await;
    Step::SMALL.pass(&world.clock, TERM / 2).await;
    world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap();
    Step::SMALL.pass(&world.clock, TERM - SECOND * 5).await;
    assert_eq!(world.end_reason(laptop.session.id).await, None, "the row had changed");
    let theirs = renew_elsewhere(&world, laptop.session.id).await;
    let token = Step::SMALL.drive(&world.clock, waiting).await;
    assert_eq!(token.unwrap().unwrap(), theirs);
}

#[tokio::test]
async fn time_of_an_outage_of_the_store_does_not_count() {
    use session_core::testing::{Fault, Method};
    let (world, laptop, waiting) = refused_after_take_over().await;
    Step::SMALL.pass(&world.clock, TERM - SECOND * 5).await;
    world.store.set(Method::Find, Fault::AWAY);
    Step::SMALL.pass(&world.clock, TERM * 2).await;
    world.store.clear(Method::Find);
    Step::SMALL.pass(&world.clock, TERM - SECOND * 5).await;
    assert_eq!(world.end_reason(laptop.session.id).await, None);
    let theirs = renew_elsewhere(&world, laptop.session.id).await;
    let token = Step::SMALL.drive(&world.clock, waiting).await;
    assert_eq!(token.unwrap().unwrap(), theirs);
}

#[tokio::test]
async fn a_shutdown_in_the_wait_does_not_end_the_session() {
    let (world, laptop, waiting) = refused_after_take_over().await;
    let manager = world.manager.clone();
    let in_time = Step::SMALL.drive(&world.clock, manager.shutdown(SECOND * 60)).await;
    assert!(in_time, "it waited for nothing");
    assert!(waiting.await.unwrap().unwrap_err().is_transient());
    assert_eq!(world.end_reason(laptop.session.id).await, None);
}

#[tokio::test]
async fn an_owner_that_waits_for_the_former_owner_keeps_its_heartbeat() {
    let (world, laptop, waiting) = refused_after_take_over().await;
    let there = world.another().await;
    let second = there.token_later(&laptop);
    let theirs = Step::SMALL.drive(&world.clock, async { tokio::join!(waiting, second) }).await;
    for outcome in [theirs.0, theirs.1] {
        let error = outcome.unwrap().unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::RenewalRefused));
    }
    assert_eq!(world.provider.renewals(), 1, "the refused token was sent again");
}

#[tokio::test]
async fn a_failure_after_a_take_over_does_not_forget_that_a_former_owner_may_write() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let id = laptop.session.id;
    world.clock.advance(LIFETIME);
    of_another_process(&world, id).await;
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Unavailable, None));
    world.provider.otherwise(REFUSED);
    drop(Step::SMALL.drive(&world.clock, world.token(&laptop)).await);
    Step::SMALL.pass(&world.clock, TERM + SECOND).await;
    assert_eq!(world.provider.renewals(), 1);
    // The next attempt, on this node or another, is refused; the former owner writes late.
    let there = world.another().await;
    drop(Step::SMALL.drive(&world.clock, there.token(&laptop)).await);
    while world.provider.renewals() < 2 {
        Step::SMALL.pass(&world.clock, SECOND).await;
    }
    Step::SMALL.pass(&world.clock, SECOND * 5).await;
    assert_eq!(world.end_reason(id).await, None, "ended at once");
    let theirs = renew_elsewhere(&world, id).await;
    Step::SMALL.pass(&world.clock, TERM * 2).await;
    assert_eq!(world.token(&laptop).await.unwrap(), theirs);
}

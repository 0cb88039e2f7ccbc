//! A rotated token is not lost, whatever happens to the database and the session meanwhile (laws 3, 5).

use std::time::Duration;

use session_core::EndReason;
use session_core::event::EventKind;
use session_core::manager::{Rotation, TokenErrorKind};
use session_core::provider::{ProviderErrorKind, RevocationScope};
use session_core::testing::{Fault, Method, RenewalScript, ScriptedProvider, sample};
use session_tests::manager::{DUE, LIFETIME, Step, TERM, World, policy, settle, until};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn f12_law_5_a_failed_write_is_repeated_until_it_succeeds_and_no_caller_gets_the_token_before()
 {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.store.set(Method::WriteTokens, Fault::AWAY);
    world.clock.advance(DUE);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
    until("a write", || world.store.calls(Method::WriteTokens) > 0).await;

    Step::SMALL.pass(&world.clock, SECOND * 30).await;
    assert!(world.store.calls(Method::WriteTokens) > 5, "it gave up");
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1", "the old one is served while valid");
    Step::SMALL.pass(&world.clock, SECOND * 30).await;
    let too_early = Step::SMALL.drive(&world.clock, world.token(&laptop)).await;
    assert!(too_early.unwrap_err().is_transient(), "503 when it has expired, not the new one");

    world.store.clear(Method::WriteTokens);
    assert_eq!(Step::SMALL.drive(&world.clock, world.token(&laptop)).await.unwrap(), "at-2");
    assert_eq!(world.stored(&laptop).await.refresh_token(), Some("rt-2"));
    assert_eq!((world.provider.renewals(), world.provider.reuses()), (1, 0));
}

#[tokio::test]
async fn law_5_a_long_outage_of_the_store_loses_nothing_though_another_node_watches() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    here.clock.advance(LIFETIME);
    here.provider.answers().close();
    let (first, second) = (here.token_later(&laptop), there.token_later(&laptop));
    here.provider.answers().until_held(1).await;
    for world in [&here, &there] {
        world.store.set_all(Fault::AWAY);
    }
    here.provider.answers().open();
    Step(SECOND).pass(&here.clock, TERM * 3).await;
    assert!(first.await.unwrap().unwrap_err().is_transient());
    assert!(second.await.unwrap().unwrap_err().is_transient());
    for world in [&here, &there] {
        world.store.clear_all();
    }
    Step(SECOND).pass(&here.clock, TERM).await;
    assert_eq!(there.token(&laptop).await.unwrap(), "at-2");
    assert_eq!((here.provider.renewals(), here.provider.reuses()), (1, 0));
}

#[tokio::test]
async fn a_write_whose_result_is_lost_is_recognised_as_done() {
    let (world, laptop) = World::expired().await;
    world.store.set_next(Method::WriteTokens, Fault::ANSWER_LOST);
    assert_eq!(Step::SMALL.drive(&world.clock, world.token(&laptop)).await.unwrap(), "at-2");
    assert_eq!(world.provider.renewals(), 1);
    let events = world.events(laptop.session.id).await;
    assert_eq!(events, [EventKind::Created, EventKind::Renewed]);
}

#[tokio::test]
async fn a_hanging_write_is_repeated_after_the_timeout_of_the_store() {
    let (world, laptop) = World::expired().await;
    world.store.set_next(Method::WriteTokens, Fault::HangBefore);
    assert_eq!(Step::SMALL.drive(&world.clock, world.token(&laptop)).await.unwrap(), "at-2");
    assert_eq!(world.store.calls(Method::WriteTokens), 2);
    assert_eq!(world.provider.renewals(), 1);
}

#[tokio::test]
async fn f13_v4_ended_while_the_provider_was_asked_it_stays_ended_and_both_tokens_are_revoked() {
    let provider = ScriptedProvider::new().with_revocation_scope(RevocationScope::Token);
    let world = World::of(policy(), provider).await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    world.clock.advance(LIFETIME);
    world.provider.answers().close();
    let waiting = world.token_later(&laptop);
    world.provider.answers().until_held(1).await;
    assert!(world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap());
    world.provider.answers().open();

    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::SignedOut));
    let row = world.row(laptop.session.id).await;
    assert_eq!(row.session.ended.unwrap().reason, EndReason::SignedOut);
    assert_eq!((row.tokens, row.lease), (None, None));
    assert_eq!(world.outbox().await, ["rt-1", "rt-3"], "the old one and the fresh one");
    assert_eq!(world.manager.process_revocations(10).await.unwrap().revoked, 2);
    assert!(!world.provider.accepts("rt-3") && world.provider.accepts("rt-2"));
    assert_eq!(world.end_reason(phone.session.id).await, None);
}

#[tokio::test]
async fn f13_a_fresh_token_of_an_ended_session_reaches_the_outbox_despite_store_failures() {
    let (world, laptop) = World::expired().await;
    world.provider.answers().close();
    let waiting = world.token_later(&laptop);
    world.provider.answers().until_held(1).await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    for _ in 0..3 {
        world.store.set_next(Method::EnqueueRevocation, Fault::AWAY);
    }
    world.provider.answers().open();
    let error = Step::SMALL.drive(&world.clock, waiting).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::SignedOut));
    assert_eq!(world.outbox().await, ["rt-1", "rt-2"]);
}

#[tokio::test]
async fn f13_ended_while_its_write_is_repeated_it_stays_ended() {
    let world = World::new().await;
    let there = world.another().await;
    let laptop = world.sign_in().await;
    world.clock.advance(LIFETIME);
    world.store.set(Method::WriteTokens, Fault::AWAY);
    let waiting = world.token_later(&laptop);
    until("a write", || world.store.calls(Method::WriteTokens) > 0).await;
    there.manager.end_one(&sample::user("ann"), laptop.session.id).await.unwrap();
    world.store.clear(Method::WriteTokens);
    let error = Step::SMALL.drive(&world.clock, waiting).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::RevokedByUser));
    assert_eq!(world.outbox().await, ["rt-1", "rt-2"]);
}

#[tokio::test]
async fn law_3_overtaken_by_another_write_it_is_merged_into_the_new_row() {
    let (world, laptop) = World::expired().await;
    world.provider.answers().close();
    let waiting = world.token_later(&laptop);
    world.provider.answers().until_held(1).await;
    let rotated =
        world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap();
    let Rotation::Rotated { secret, .. } = rotated else { panic!("no rotation") };
    world.provider.answers().open();
    assert_eq!(Step::SMALL.drive(&world.clock, waiting).await.unwrap().unwrap(), "at-2");
    let row = world.row(laptop.session.id).await;
    assert_eq!((row.session.revision, row.digests.current), (3, Some(secret.digest())));
    assert_eq!(world.stored(&laptop).await.refresh_token(), Some("rt-2"));
    assert_eq!(world.outbox().await, [""; 0]);
}

#[tokio::test]
async fn f11_a_lost_response_keeps_the_session_and_the_valid_token() {
    let world = World::of(policy(), ScriptedProvider::new()).await;
    let laptop = world.sign_in().await;
    world.provider.script(RenewalScript::RotateAndFail(ProviderErrorKind::Unavailable));
    world.clock.advance(DUE);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
    settle().await;
    assert_eq!(world.provider.renewals(), 1);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
    // A provider with a grace period for used tokens returns a new pair.
    world.clock.advance(LIFETIME - DUE);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-3");
    assert_eq!(world.provider.sent(), ["rt-1", "rt-1"]);
}

#[tokio::test]
async fn f11_if_the_used_token_is_refused_only_this_session_ends() {
    let world = World::new().await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    world.provider.script(RenewalScript::RotateAndFail(ProviderErrorKind::Unavailable));
    world.clock.advance(LIFETIME);
    assert!(world.token(&laptop).await.unwrap_err().is_transient());
    assert_eq!(world.end_reason(laptop.session.id).await, None);
    world.clock.advance(SECOND * 60);
    let error = world.token(&laptop).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::RenewalRefused));
    assert_eq!(world.token(&phone).await.unwrap(), "at-4");
}

#[tokio::test]
async fn a_hanging_provider_counts_as_unavailable_at_the_end_of_the_term() {
    let world = World::with(policy().max_renewal_wait(SECOND * 600)).await;
    let laptop = world.sign_in().await;
    world.provider.requests().close();
    world.clock.advance(LIFETIME);
    let waiting = world.token_later(&laptop);
    world.provider.requests().until_held(1).await;
    Step::SMALL.pass(&world.clock, TERM - SECOND).await;
    assert!(!waiting.is_finished(), "a late answer is lost");
    Step::SMALL.pass(&world.clock, SECOND * 2).await;
    assert!(waiting.await.unwrap().unwrap_err().is_transient());
    assert_eq!(world.provider.requests().held(), 0, "the call was given up");
    assert_eq!(world.end_reason(laptop.session.id).await, None);
}

//! A resource server rejects a token that has not expired.

use std::time::Duration;

use session_core::EndReason;
use session_core::manager::TokenErrorKind;
use session_core::testing::sample;
use session_tests::manager::{LIFETIME, World};

const SECOND: Duration = Duration::from_secs(1);

async fn after(
    world: &World,
    id: session_core::SessionId,
    rejected: &str,
) -> Result<String, TokenErrorKind> {
    let tokens =
        world.manager.access_token_after_rejection(&sample::user("ann"), id, rejected).await;
    tokens.map(|tokens| tokens.access_token().to_owned()).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_rejected_token_is_renewed_though_it_is_fresh() {
    let world = World::new().await;
    let id = world.sign_in().await.session.id;
    assert_eq!(after(&world, id, "at-1").await.unwrap(), "at-2");
    assert_eq!(world.provider.renewals(), 1);
}

#[tokio::test]
async fn f4_if_another_token_is_stored_meanwhile_it_is_returned_without_a_call() {
    let here = World::new().await;
    let there = here.another().await;
    let id = here.sign_in().await.session.id;
    assert_eq!(after(&there, id, "at-1").await.unwrap(), "at-2");
    for _ in 0..10 {
        assert_eq!(after(&here, id, "at-1").await.unwrap(), "at-2");
    }
    assert_eq!(here.provider.renewals(), 1);
}

#[tokio::test]
async fn f2_a_hundred_rejections_of_one_token_make_one_call() {
    let world = World::new().await;
    let id = world.sign_in().await.session.id;
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { after(&world, id, "at-1").await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), "at-2");
    }
    assert_eq!(world.provider.renewals(), 1);
}

#[tokio::test]
async fn f29_a_server_that_rejects_each_new_token_gets_one_in_an_interval() {
    let world = World::new().await;
    let id = world.sign_in().await.session.id;
    assert_eq!(after(&world, id, "at-1").await.unwrap(), "at-2");
    world.clock.advance(SECOND * 4);
    let too_soon = after(&world, id, "at-2").await.unwrap_err();
    assert_eq!(too_soon, TokenErrorKind::Unavailable { retry_after: SECOND * 6 });
    world.clock.advance(SECOND * 6);
    assert_eq!(after(&world, id, "at-2").await.unwrap(), "at-3");
    assert_eq!(world.provider.renewals(), 2);
}

#[tokio::test]
async fn f29_a_clock_that_is_ahead_elsewhere_keeps_no_rejected_token() {
    let there = World::new().await;
    let clock = there.clock.clone();
    let here = there.another_at(session_core::testing::FakeClock::new()).await;
    clock.advance(SECOND * 60);
    let id = there.sign_in().await.session.id;
    assert_eq!(after(&there, id, "at-1").await.unwrap(), "at-2");
    // Received in a minute, as it seems here.
    assert_eq!(after(&here, id, "at-2").await.unwrap(), "at-3");
    let too_soon = after(&here, id, "at-3").await.unwrap_err();
    assert_eq!(too_soon, TokenErrorKind::Unavailable { retry_after: SECOND * 10 });
    // Received a minute ago, as it seems there; but each process renews once in an interval.
    let too_soon = after(&there, id, "at-3").await.unwrap_err();
    assert_eq!(too_soon, TokenErrorKind::Unavailable { retry_after: SECOND * 10 });
    clock.advance(SECOND * 10);
    assert_eq!(after(&there, id, "at-3").await.unwrap(), "at-4");
    let too_soon = after(&here, id, "at-4").await.unwrap_err();
    assert_eq!(too_soon, TokenErrorKind::Unavailable { retry_after: SECOND * 10 });
    here.clock.advance(SECOND * 10);
    assert_eq!(after(&here, id, "at-4").await.unwrap(), "at-5");
    assert_eq!(here.provider.renewals(), 4);
}

#[tokio::test]
async fn an_expired_token_is_renewed_whatever_the_interval_and_whichever_was_rejected() {
    let provider = session_core::testing::ScriptedProvider::new().with_lifetime(Some(SECOND * 5));
    let world = World::of(session_tests::manager::policy(), provider).await;
    let id = world.sign_in().await.session.id;
    assert_eq!(after(&world, id, "at-1").await.unwrap(), "at-2");
    world.clock.advance(SECOND * 5);
    assert_eq!(after(&world, id, "at-2").await.unwrap(), "at-3");
    world.clock.advance(SECOND * 5);
    assert_eq!(after(&world, id, "at-1").await.unwrap(), "at-4", "not the expired at-3");
}

#[tokio::test]
async fn without_a_refresh_token_a_rejection_says_that_a_sign_in_is_needed() {
    let world = World::new().await;
    let (ann, okta) = (sample::user("ann"), sample::provider("okta"));
    let tokens = session_core::TokenResponse::bearer("only").with_expires_in(LIFETIME);
    let id = world.manager.connect(&ann, &okta, tokens).await.unwrap().session.id;
    assert_eq!(after(&world, id, "only").await.unwrap_err(), TokenErrorKind::SignInNeeded);
    assert_eq!(after(&world, id, "another").await.unwrap(), "only");
    assert_eq!(world.provider.renewals(), 0);
}

#[tokio::test]
async fn a_rejection_for_an_ended_or_unknown_session_is_an_error() {
    let world = World::new().await;
    let id = world.sign_in().await.session.id;
    world.manager.sign_out(&sample::user("ann"), id).await.unwrap();
    let over = after(&world, id, "at-1").await.unwrap_err();
    assert_eq!(over, TokenErrorKind::Ended(EndReason::SignedOut));
    let unknown = session_core::SessionId::generate(world.manager.now());
    assert_eq!(after(&world, unknown, "at-1").await.unwrap_err(), TokenErrorKind::NotFound);
    assert_eq!(world.provider.renewals(), 0);
}

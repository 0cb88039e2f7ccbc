//! `invalid_grant` ends exactly one session, if its refresh token is still the one that was sent.

use std::time::Duration;

use session_core::event::{EventKind, RenewalFailure};
use session_core::manager::{Resolution, TokenErrorKind};
use session_core::middleware::SessionManagerExt as _;
use session_core::provider::ProviderErrorKind;
use session_core::store::TokenWrite;
use session_core::testing::{Fault, Method, RenewalScript, sample};
use session_core::{EndReason, TokenSet};
use session_tests::manager::{LIFETIME, World, keyring, settle};

const REFUSED: RenewalScript = RenewalScript::Fail(ProviderErrorKind::Refused, None);

/// Writes other tokens, as another process does; gives its access token.
pub(crate) async fn renew_elsewhere(world: &World, id: session_core::SessionId) -> &'static str {
    let row = world.row(id).await;
    let answer = session_core::TokenResponse::bearer("at-theirs").with_refresh_token("rt-theirs");
    let answer = answer.with_expires_in(LIFETIME);
    let (now, session) = (world.manager.now(), &row.session);
    let tokens = TokenSet::new(answer, now, LIFETIME);
    let tokens = sample::sealed_by(&keyring(), &tokens, session);
    let write = TokenWrite::new(id, session.revision, tokens, now);
    assert!(world.sessions().write_tokens(write).await.unwrap().is_some());
    "at-theirs"
}

#[tokio::test]
async fn f7_f39_a_refused_token_ends_exactly_its_session_with_its_reason() {
    let world = World::new().await;
    let (laptop, phone) = (world.sign_in().await, world.sign_in().await);
    let other = world.sign_in_as("bob").await;
    world.clock.advance(LIFETIME);
    world.provider.script(REFUSED);
    let error = world.token(&laptop).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::RenewalRefused));
    assert!(error.needs_sign_in() && !error.is_transient());

    let Resolution::Ended { ended, .. } = world.resolve(&laptop).await else { panic!("it lives") };
    assert_eq!(ended.reason, EndReason::RenewalRefused);
    assert!(world.token(&phone).await.is_ok() && world.token(&other).await.is_ok());
    let events = world.events(laptop.session.id).await;
    let refused = EventKind::RenewalFailed(RenewalFailure::Refused);
    let ended = EventKind::Ended(EndReason::RenewalRefused);
    assert_eq!(events, [EventKind::Created, refused, ended]);
}

#[tokio::test]
async fn f9_a_refused_token_is_never_sent_again() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let snapshot = world.live(&laptop).await;
    world.clock.advance(LIFETIME);
    world.provider.script(REFUSED);
    for _ in 0..50 {
        assert!(world.manager.with_valid_token(&snapshot).await.is_err());
        assert!(world.manager.access_token(&laptop.session.user, laptop.session.id).await.is_err());
    }
    assert_eq!(world.provider.renewals(), 1);
}

#[tokio::test]
async fn f9_a_refused_token_is_not_sent_in_a_loop_while_its_session_cannot_be_ended() {
    let (world, laptop) = World::expired().await;
    world.provider.otherwise(REFUSED);
    world.store.set(Method::End, Fault::AWAY);
    for _ in 0..50 {
        assert!(world.token(&laptop).await.unwrap_err().is_transient());
    }
    assert_eq!(world.provider.renewals(), 1);
    world.store.clear(Method::End);
    world.clock.advance(Duration::from_secs(60));
    let error = world.token(&laptop).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::RenewalRefused));
}

#[tokio::test]
async fn f8_refused_after_another_process_renewed_returns_its_token() {
    let (world, laptop) = World::expired().await;
    world.provider.script(REFUSED);
    world.provider.requests().close();
    let waiting = world.token_later(&laptop);
    world.provider.requests().until_held(1).await;
    let theirs = renew_elsewhere(&world, laptop.session.id).await;
    world.provider.requests().open();
    assert_eq!(waiting.await.unwrap().unwrap(), theirs);
    assert_eq!(world.end_reason(laptop.session.id).await, None);
    assert_eq!(world.stored(&laptop).await.refresh_token(), Some("rt-theirs"));
}

#[tokio::test]
async fn f8_the_end_is_bound_to_the_row_that_was_read_again() {
    let (world, laptop) = World::expired().await;
    world.provider.script(REFUSED);
    world.store.set_next(Method::End, Fault::HangBefore);
    let waiting = world.token_later(&laptop);
    world.store.until_hanging(Method::End, 1).await;
    let theirs = renew_elsewhere(&world, laptop.session.id).await;
    world.store.release(Method::End);
    assert_eq!(waiting.await.unwrap().unwrap(), theirs);
    assert_eq!(world.end_reason(laptop.session.id).await, None);
}

#[tokio::test]
async fn f7_a_new_secret_meanwhile_does_not_save_a_refused_token() {
    let (world, laptop) = World::expired().await;
    world.provider.script(REFUSED);
    world.store.set_next(Method::End, Fault::HangBefore);
    let waiting = world.token_later(&laptop);
    world.store.until_hanging(Method::End, 1).await;
    world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap();
    world.store.release(Method::End);
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::RenewalRefused));
    settle().await;
    assert_eq!(world.provider.renewals(), 1);
}

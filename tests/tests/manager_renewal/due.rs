//! When a token is due, when it has expired, and what a renewal does not change.

use std::time::Duration;

use session_core::manager::{Resolution, SignIn, TokenErrorKind};
use session_core::middleware::SessionManagerExt as _;
use session_core::testing::{RenewalScript, ScriptedProvider, sample};
use session_core::{EndReason, TokenResponse};
use session_tests::manager::{DUE, LIFETIME, OKTA, World, policy, settle, until};

const MOMENT: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn before_it_is_due_the_provider_is_not_called() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.clock.advance(DUE - MOMENT);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
    settle().await;
    assert_eq!(world.provider.renewals(), 0);
}

#[tokio::test]
async fn a_valid_token_never_waits_for_a_running_renewal() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.provider.requests().close();
    world.clock.advance(DUE);

    assert_eq!(world.token(&laptop).await.unwrap(), "at-1", "while the provider is asked");
    world.provider.requests().until_held(1).await;
    world.clock.advance(LIFETIME - DUE - MOMENT);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1", "up to the last moment");

    world.provider.requests().open();
    until("the renewal", || world.provider.renewals() == 1).await;
    settle().await;
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
    assert_eq!(world.provider.sent(), ["rt-1"]);
}

#[tokio::test]
async fn an_expired_token_waits_for_the_new_one() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.provider.requests().close();
    world.clock.advance(LIFETIME);

    let waiting = world.token_later(&laptop);
    world.provider.requests().until_held(1).await;
    settle().await;
    assert!(!waiting.is_finished(), "it was served an expired token");
    world.provider.requests().open();
    assert_eq!(waiting.await.unwrap().unwrap(), "at-2");
}

#[tokio::test]
async fn a_wait_is_bounded_and_the_renewal_continues_after_it() {
    let world = World::with(policy().max_renewal_wait(Duration::from_secs(2))).await;
    let laptop = world.sign_in().await;
    world.provider.requests().close();
    world.clock.advance(LIFETIME);

    let waiting = world.token_later(&laptop);
    world.provider.requests().until_held(1).await;
    world.clock.advance(Duration::from_secs(2));
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.is_transient() && error.retry_after().is_some(), "{error:?}");

    world.provider.requests().open();
    settle().await;
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
    assert_eq!(world.provider.renewals(), 1);
}

#[tokio::test]
async fn f28_a_short_lived_token_is_not_renewed_at_each_request() {
    let provider = ScriptedProvider::new().with_lifetime(Some(MINUTE));
    let world = World::of(policy().renewal_leeway(MINUTE * 5), provider).await;
    let laptop = world.sign_in().await;
    world.clock.advance(Duration::from_secs(45) - MOMENT);
    for _ in 0..20 {
        world.token(&laptop).await.unwrap();
    }
    settle().await;
    assert_eq!(world.provider.renewals(), 0, "the leeway is a quarter of the lifetime at most");
    world.clock.advance(MOMENT);
    world.token(&laptop).await.unwrap();
    settle().await;
    assert_eq!(world.provider.renewals(), 1);
}

#[tokio::test]
async fn f30_jitter_advances_renewals_by_its_span_at_most() {
    let jitter = Duration::from_secs(10);
    let provider = ScriptedProvider::new();
    let world = World::of(policy().renewal_jitter(jitter).unlimited(), provider).await;
    let mut devices = Vec::new();
    for _ in 0..64 {
        devices.push(world.sign_in().await);
    }
    let renewed_after = async |span| {
        world.clock.advance(span);
        for device in &devices {
            assert!(world.token(device).await.is_ok());
        }
        settle().await;
        world.provider.renewals()
    };
    assert_eq!(renewed_after(DUE - jitter).await, 0, "none earlier than leeway and jitter say");
    let half = renewed_after(jitter / 2).await;
    assert!((8..56).contains(&half), "they do not come together: {half} of 64");
    assert_eq!(renewed_after(jitter / 2).await, 64, "all are due when the leeway begins");
}

#[tokio::test]
async fn f25_no_lifetime_is_assumed_one_with_a_refresh_token_and_none_without() {
    let provider = ScriptedProvider::new().with_lifetime(None);
    let world = World::of(policy().assumed_lifetime(MINUTE * 10), provider).await;
    let with = world.sign_in().await;
    let (ann, okta) = (sample::user("ann"), sample::provider(OKTA));
    let sign_in = SignIn::new(&ann, &okta, TokenResponse::bearer("eternal"));
    let without = world.manager.sign_in(sign_in).await.unwrap();

    world.clock.advance(MINUTE * 10);
    assert_eq!(world.token(&with).await.unwrap(), "at-2");
    world.clock.advance(MINUTE * 60 * 24);
    assert_eq!(world.token(&without).await.unwrap(), "eternal");
    assert_eq!(world.provider.sent(), ["rt-1"]);
}

#[tokio::test]
async fn f27_without_a_refresh_token_it_is_served_until_it_expires_and_the_session_stays() {
    let world = World::new().await;
    let (ann, okta) = (sample::user("ann"), sample::provider(OKTA));
    let tokens = TokenResponse::bearer("only").with_expires_in(LIFETIME);
    let laptop = world.manager.sign_in(SignIn::new(&ann, &okta, tokens)).await.unwrap();
    world.clock.advance(LIFETIME - MOMENT);
    assert_eq!(world.token(&laptop).await.unwrap(), "only");
    assert_eq!(
        world
            .manager
            .access_token(&laptop.session.user, laptop.session.id)
            .await
            .unwrap()
            .access_token(),
        "only"
    );

    world.clock.advance(MOMENT);
    let by_cookie = world.token(&laptop).await.unwrap_err();
    let by_id =
        world.manager.access_token(&laptop.session.user, laptop.session.id).await.unwrap_err();
    for error in [by_cookie, by_id] {
        assert_eq!(error.kind(), TokenErrorKind::SignInNeeded);
        assert!(error.needs_sign_in() && !error.is_transient());
    }
    settle().await;
    assert_eq!(world.provider.renewals(), 0);
    assert!(matches!(world.resolve(&laptop).await, Resolution::Live(_)));
}

#[tokio::test]
async fn t3_a_renewal_resets_neither_timeout() {
    let timeouts = policy().idle_timeout(MINUTE * 10).absolute_timeout(MINUTE * 30);
    let world = World::with(timeouts).await;
    let unused = world.sign_in().await;
    world.clock.advance(MINUTE * 9);
    let renewed =
        world.manager.access_token(&unused.session.user, unused.session.id).await.unwrap();
    assert_eq!(renewed.access_token(), "at-2");
    let row = world.row(unused.session.id).await.session;
    assert_eq!(row.last_seen_at, unused.session.last_seen_at);
    assert_eq!(row.timeouts_from, unused.session.timeouts_from);
    world.clock.advance(MINUTE);
    let Resolution::Ended { ended, .. } = world.resolve(&unused).await else { panic!("it lives") };
    assert_eq!(ended.reason, EndReason::Idle);

    let used = world.sign_in().await;
    for _ in 0..6 {
        world.token(&used).await.unwrap();
        world.clock.advance(MINUTE * 5);
    }
    assert!(world.provider.renewals() > 4);
    let Resolution::Ended { ended, .. } = world.resolve(&used).await else { panic!("it lives") };
    assert_eq!(ended.reason, EndReason::Absolute);
}

#[tokio::test]
async fn t1_a_timed_out_session_is_not_renewed_for_its_holders() {
    let world = World::with(policy().idle_timeout(MINUTE * 10)).await;
    let laptop = world.sign_in().await;
    let held = world.live(&laptop).await;
    world.clock.advance(MINUTE * 10);
    let id = laptop.session.id;
    let errors = [
        world.manager.with_valid_token(&held).await.unwrap_err(),
        world.manager.access_token(&sample::user("ann"), id).await.unwrap_err(),
        world
            .manager
            .access_token_after_rejection(&sample::user("ann"), id, "at-1")
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), TokenErrorKind::Ended(EndReason::Idle));
    }
    assert_eq!(world.provider.renewals(), 0);
}

#[tokio::test]
async fn f26_r1_fields_missing_from_the_response_are_kept() {
    let world = World::new().await;
    let (ann, okta) = (sample::user("ann"), sample::provider(OKTA));
    let tokens = world.provider.sign_in().with_id_token("idt").with_scope("openid mail");
    let tokens = tokens.with_field("tenant", 7).with_field("region", "eu");
    let laptop = world.manager.sign_in(SignIn::new(&ann, &okta, tokens)).await.unwrap();
    world.clock.advance(LIFETIME);
    world.provider.script(RenewalScript::KeepRefreshToken);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
    let stored = world.stored(&laptop).await;
    assert_eq!(stored.refresh_token(), Some("rt-1"));
    assert_eq!((stored.id_token(), stored.scope()), (Some("idt"), Some("openid mail")));
    assert_eq!(stored.field("tenant"), Some(&7.into()));

    world.clock.advance(LIFETIME);
    let answer = TokenResponse::bearer("other").with_refresh_token("rt-other");
    world.provider.script(RenewalScript::Answer(answer.with_field("tenant", 8)));
    assert_eq!(world.token(&laptop).await.unwrap(), "other");
    let stored = world.stored(&laptop).await;
    assert_eq!(stored.refresh_token(), Some("rt-other"));
    assert_eq!(
        (stored.field("tenant"), stored.field("region")),
        (Some(&8.into()), Some(&"eu".into()))
    );
}

#[tokio::test]
async fn f29_the_expiry_is_counted_from_the_receipt() {
    let (world, laptop) = World::expired().await;
    world.provider.answers().close();
    let waiting = world.token_later(&laptop);
    world.provider.answers().until_held(1).await;
    world.clock.advance(Duration::from_secs(3));
    let received_at = world.manager.now();
    world.provider.answers().open();
    waiting.await.unwrap().unwrap();
    let stored = world.stored(&laptop).await;
    assert_eq!(stored.received_at(), received_at);
    assert_eq!(stored.expires_at(), Some(received_at + LIFETIME));
}

//! Step-up: the same session goes on with new tokens, a new secret and its new authentication.

use std::sync::Arc;

use session_core::event::EventKind;
use session_core::manager::{
    ManagerErrorKind, Resolution, SignIn, SignedIn, StepUp, StepUpOutcome,
};
use session_core::policy::OnFull;
use session_core::policy::authentication::RequiredAuthentication;
use session_core::provider::RevocationScope;
use session_core::session::{Authentication, ProviderIdentity, SecretDigest, SessionSecret};
use session_core::store::EventLog as _;
use session_core::testing::sample::{provider as named, subject, user};
use session_core::testing::{Fault, Method, RenewalScript, ScriptedProvider};
use session_core::{EndReason, Session, SessionId, TokenResponse};

use crate::world::{EXPIRED, MINUTE, SECOND, World, policy, settle};

fn provider() -> ScriptedProvider {
    ScriptedProvider::new().with_reuse_detection().with_revocation_scope(RevocationScope::Token)
}

/// A world in which Ann has signed in, and a while has passed.
async fn signed_in() -> (World, SignedIn) {
    let world = World::with(policy().max_sessions(2).on_full(OnFull::Reject), provider()).await;
    let laptop = world.manager.sign_in(login(&world, "ann", "ann-sub")).await.unwrap();
    world.clock.advance(MINUTE * 3);
    (world, laptop)
}

/// A sign-in that has just authenticated this user.
fn login(world: &World, name: &str, sub: &str) -> SignIn {
    authenticated(world, world.login(name), sub)
}

fn authenticated(world: &World, sign_in: SignIn, sub: &str) -> SignIn {
    let identity = ProviderIdentity {
        issuer: Some("https://id.example".to_owned()),
        subject: Some(subject(sub)),
        sid: Some(format!("sid-{}", world.manager.now().as_millis())),
        account: None,
    };
    let authentication =
        Authentication { at: Some(world.manager.now()), acr: Some("phr".to_owned()), amr: vec![] };
    sign_in.identity(identity).authentication(authentication)
}

fn required() -> RequiredAuthentication {
    RequiredAuthentication::within(MINUTE)
}

async fn step_up(
    world: &World,
    session: &Session,
    login: SignIn,
    cookie: SecretDigest,
) -> Result<StepUpOutcome, ManagerErrorKind> {
    let step_up = StepUp::new(session.id, login.supersedes([cookie])).required(required());
    world.manager.step_up(step_up).await.map_err(|error| error.kind())
}

async fn stepped_up(world: &World, laptop: &SignedIn) -> (Session, SessionSecret) {
    let login = login(world, "ann", "ann-sub");
    match step_up(world, &laptop.session, login, laptop.secret.digest()).await.unwrap() {
        StepUpOutcome::SteppedUp { session, secret, .. } => (session, secret),
        other => panic!("{other:?}"),
    }
}

async fn resolved(world: &World, digest: SecretDigest) -> Option<Session> {
    let resolution = world.manager.resolve(&digest, None).await.unwrap();
    settle().await;
    match resolution {
        Resolution::Live(live) => Some(live.session().clone()),
        _ => None,
    }
}

fn is_fresh(world: &World, session: &Session) -> bool {
    required().check(&session.authentication, world.manager.now()).is_ok()
}

async fn kinds(world: &World, id: SessionId) -> Vec<EventKind> {
    let events = world.store.events(id).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

#[tokio::test]
async fn s8_the_same_session_goes_on_with_new_tokens_and_a_new_secret() {
    let (world, laptop) = signed_in().await;
    world.manager.sign_in(login(&world, "ann", "ann-sub")).await.unwrap();
    let before = world.row(&laptop).await;
    assert!(!is_fresh(&world, &before.session));
    let (session, secret) = stepped_up(&world, &laptop).await;
    let row = world.row(&laptop).await;
    assert_eq!(row.session, session, "what is returned is what is stored");
    assert!(is_fresh(&world, &session));
    assert_eq!(session.id, before.session.id);
    assert_eq!(session.created_at, before.session.created_at);
    assert_eq!(session.timeouts_from, before.session.timeouts_from);
    assert_eq!(row.digests.current, Some(secret.digest()));
    assert_ne!(session.identity.sid, before.session.identity.sid);
    let live = world.manager.list(&user("ann"), None).await.unwrap();
    assert_eq!(live.len(), 2, "the cap, which is reached, is not touched");
    assert_eq!(kinds(&world, session.id).await, [EventKind::Created, EventKind::SteppedUp]);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-3");
    world.manager.process_revocations(10).await.unwrap();
    assert_eq!(world.provider.revoked(), ["rt-1"], "the refresh token that was replaced");
    assert!(world.provider.accepts("rt-3"));
}

#[tokio::test]
async fn s8_the_secret_of_before_goes_on_without_the_new_authentication() {
    let (world, laptop) = signed_in().await;
    let (_, secret) = stepped_up(&world, &laptop).await;
    let old = laptop.secret.digest();
    let by_old = resolved(&world, old).await.unwrap();
    assert_eq!(by_old.authentication, Authentication::default(), "a stolen cookie gains nothing");
    assert!(is_fresh(&world, &resolved(&world, secret.digest()).await.unwrap()));
    world.clock.advance(SECOND * 31);
    assert_eq!(resolved(&world, old).await, None, "and is over soon");
}

#[tokio::test]
async fn a_renewal_beside_it_shows_a_cached_session_no_later_authentication() {
    let (world, laptop) = signed_in().await;
    let cached = world.live(&laptop).await;
    world.clock.advance(EXPIRED);
    let (_, secret) = stepped_up(&world, &laptop).await;
    use session_core::middleware::SessionManagerExt as _;
    let renewed = world.manager.with_valid_token(&cached).await.unwrap();
    assert_eq!(renewed.tokens().access_token(), "at-2");
    assert!(!is_fresh(&world, renewed.session()));
    assert!(is_fresh(&world, &resolved(&world, secret.digest()).await.unwrap()));
}

#[tokio::test]
async fn a_lost_response_signs_no_user_out_and_gives_the_old_cookie_no_freshness() {
    let (world, laptop) = signed_in().await;
    stepped_up(&world, &laptop).await;
    world.clock.advance(MINUTE);
    let rotation = world.manager.rotate_secret(&user("ann"), laptop.session.id).await.unwrap();
    let session_core::manager::Rotation::Rotated { secret, .. } = rotation else {
        panic!("the secret that was lost is not replaced")
    };
    let session = resolved(&world, secret.digest()).await.unwrap();
    assert_eq!(session.id, laptop.session.id);
    assert_eq!(session.authentication, Authentication::default());
    assert!(world.row(&laptop).await.session.authentication.at.is_none());
}

#[tokio::test]
async fn another_user_or_subject_changes_nothing_and_its_tokens_are_given_back() {
    let (world, laptop) = signed_in().await;
    let before = world.row(&laptop).await;
    let cookie = laptop.secret.digest();
    let others =
        [login(&world, "bob", "bob-sub"), login(&world, "ann", "bob-sub"), world.login("ann")];
    for other in others {
        let refused = step_up(&world, &laptop.session, other, cookie).await;
        assert_eq!(refused.unwrap_err(), ManagerErrorKind::OtherUser);
        settle().await;
    }
    let google = SignIn::new(&user("ann"), &named("google"), world.provider.sign_in());
    assert!(step_up(&world, &laptop.session, google, cookie).await.is_err());
    settle().await;
    assert_eq!(world.row(&laptop).await, before);
    world.manager.process_revocations(10).await.unwrap();
    let mut revoked = world.provider.revoked();
    revoked.sort();
    assert_eq!(revoked, ["rt-2", "rt-3", "rt-4", "rt-5"], "and not the session's own");
    assert_eq!(resolved(&world, cookie).await.unwrap().id, laptop.session.id);
}

#[tokio::test]
async fn where_whole_grants_are_revoked_the_replaced_token_waits_for_the_session() {
    for scope in [RevocationScope::Grant, RevocationScope::Unknown] {
        let provider = ScriptedProvider::new().with_revocation_scope(scope);
        let world = World::of(provider).await;
        let laptop = world.manager.sign_in(login(&world, "ann", "ann-sub")).await.unwrap();
        world.clock.advance(MINUTE * 3);
        stepped_up(&world, &laptop).await;
        let report = world.manager.process_revocations(10).await.unwrap();
        assert_eq!((report.held, report.revoked), (1, 0), "{scope:?}");
        assert!(world.provider.accepts("rt-2"));
        world.manager.sign_out(&user("ann"), laptop.session.id).await.unwrap();
        world.clock.advance(MINUTE);
        let report = world.manager.process_revocations(10).await.unwrap();
        assert_eq!(report.revoked, 2, "{scope:?}");
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_signed_in_anew() {
    let (world, laptop) = signed_in().await;
    world.manager.end_one(&user("ann"), laptop.session.id).await.unwrap();
    let login = login(&world, "ann", "ann-sub");
    let outcome = step_up(&world, &laptop.session, login, laptop.secret.digest()).await.unwrap();
    let StepUpOutcome::SignedIn(signed_in) = outcome else { panic!("{outcome:?}") };
    assert_ne!(signed_in.session.id, laptop.session.id);
    assert!(is_fresh(&world, &signed_in.session));
    let row = world.row(&laptop).await;
    assert_eq!(row.session.ended.unwrap().reason, EndReason::RevokedByUser);
}

#[tokio::test]
async fn a_browser_without_the_session_s_cookie_gains_nothing_for_it() {
    let (world, laptop) = signed_in().await;
    let before = world.row(&laptop).await;
    let login = login(&world, "ann", "ann-sub");
    let outcome = step_up(&world, &laptop.session, login, SecretDigest::of("another")).await;
    assert!(matches!(outcome, Ok(StepUpOutcome::SignedIn(_))));
    assert_eq!(world.row(&laptop).await, before);
}

#[tokio::test]
async fn an_end_in_the_middle_wins() {
    let (world, laptop) = signed_in().await;
    world.store.set(Method::StepUp, Fault::HangBefore);
    let (here, session) = (world.clone(), laptop.session.clone());
    let (login, cookie) = (login(&world, "ann", "ann-sub"), laptop.secret.digest());
    let waiting = tokio::spawn(async move { step_up(&here, &session, login, cookie).await });
    world.store.until_hanging(Method::StepUp, 1).await;
    world.manager.end_one(&user("ann"), laptop.session.id).await.unwrap();
    world.store.clear(Method::StepUp);
    world.store.release(Method::StepUp);
    let outcome = waiting.await.unwrap().unwrap();
    assert!(matches!(outcome, StepUpOutcome::SignedIn(_)), "{outcome:?}");
    assert!(!world.row(&laptop).await.session.is_live());
}

#[tokio::test]
async fn a_renewal_in_flight_does_not_undo_it_and_no_refresh_token_is_lost_or_sent_twice() {
    let (world, laptop) = signed_in().await;
    world.clock.advance(EXPIRED);
    world.provider.answers().close();
    let waiting = world.token_later(&laptop);
    world.provider.answers().until_held(1).await;
    let (_, secret) = stepped_up(&world, &laptop).await;
    world.provider.answers().open();
    world.pass(SECOND, SECOND / 20).await;
    assert_eq!(waiting.await.unwrap().unwrap(), "at-3", "the tokens of the step-up");
    let row = world.row(&laptop).await;
    assert_eq!(row.digests.current, Some(secret.digest()));
    assert!(is_fresh(&world, &row.session));
    assert_eq!(row.lease, None);
    world.clock.advance(EXPIRED);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-4");
    assert_eq!(world.provider.sent(), ["rt-1", "rt-3"]);
    assert_eq!(world.provider.reuses(), 0);
    world.manager.process_revocations(10).await.unwrap();
    assert_eq!(world.provider.revoked(), ["rt-1"]);
    assert!(!world.provider.accepts("rt-2"), "its successor goes with it");
}

#[tokio::test]
async fn a_renewal_in_flight_leaves_the_access_token_of_one_without_a_refresh_token() {
    for rotates in [true, false] {
        let (world, laptop) = signed_in().await;
        let keeps = RenewalScript::KeepRefreshToken;
        world.provider.script(if rotates { RenewalScript::Rotate } else { keeps });
        world.clock.advance(EXPIRED);
        world.provider.answers().close();
        let waiting = world.token_later(&laptop);
        world.provider.answers().until_held(1).await;
        let tokens = TokenResponse::bearer("at-stepped").with_expires_in(MINUTE * 5);
        let sign_in = SignIn::new(&user("ann"), &named("okta"), tokens);
        let login = authenticated(&world, sign_in, "ann-sub");
        let cookie = laptop.secret.digest();
        step_up(&world, &laptop.session, login, cookie).await.unwrap();
        world.provider.answers().open();
        world.pass(SECOND, SECOND / 20).await;
        assert_eq!(waiting.await.unwrap().unwrap(), "at-stepped", "rotates: {rotates}");
        world.clock.advance(EXPIRED);
        assert_eq!(world.token(&laptop).await.unwrap(), "at-3", "its refresh token is the newest");
        let sent = if rotates { ["rt-1", "rt-2"] } else { ["rt-1", "rt-1"] };
        assert_eq!(
            (world.provider.sent(), world.provider.reuses()),
            (sent.map(str::to_owned).to_vec(), 0)
        );
    }
}

#[tokio::test]
async fn a_renewal_that_is_refused_after_it_ends_nothing() {
    let (world, laptop) = signed_in().await;
    world.clock.advance(EXPIRED);
    world.provider.requests().close();
    let waiting = world.token_later(&laptop);
    world.provider.requests().until_held(1).await;
    stepped_up(&world, &laptop).await;
    world.manager.process_revocations(10).await.unwrap();
    world.provider.requests().open();
    assert_eq!(waiting.await.unwrap().unwrap(), "at-2");
    assert!(world.row(&laptop).await.session.is_live());
}

#[tokio::test]
async fn of_two_tabs_at_once_the_first_one_s_secret_stays() {
    let (world, laptop) = signed_in().await;
    let cookie = laptop.secret.digest();
    let (_, secret) = stepped_up(&world, &laptop).await;
    let second = login(&world, "ann", "ann-sub");
    let second = step_up(&world, &laptop.session, second, cookie).await.unwrap();
    assert!(matches!(second, StepUpOutcome::AlreadyDone), "{second:?}");
    settle().await;
    assert!(is_fresh(&world, &resolved(&world, secret.digest()).await.unwrap()));
    assert!(resolved(&world, cookie).await.is_some(), "requests in flight are not signed out");
    world.manager.process_revocations(10).await.unwrap();
    let mut revoked = world.provider.revoked();
    revoked.sort();
    assert_eq!(revoked, ["rt-1", "rt-3"]);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
}

#[tokio::test]
async fn many_at_once_leave_one_secret_one_grant_and_the_same_session() {
    let (world, laptop) = signed_in().await;
    let mut tabs = Vec::new();
    for _ in 0..12 {
        let (here, session) = (world.clone(), laptop.session.clone());
        let (login, cookie) = (login(&world, "ann", "ann-sub"), laptop.secret.digest());
        tabs.push(tokio::spawn(async move { step_up(&here, &session, login, cookie).await }));
    }
    let mut secrets = Vec::new();
    for tab in tabs {
        match tab.await.unwrap().unwrap() {
            StepUpOutcome::SteppedUp { secret, .. } => secrets.push(secret.digest()),
            StepUpOutcome::AlreadyDone => {}
            other => panic!("{other:?}"),
        }
    }
    let row = world.row(&laptop).await;
    assert_eq!(secrets, [row.digests.current.unwrap()]);
    settle().await;
    while world.manager.process_revocations(20).await.unwrap().revoked > 0 {}
    let alive = (1..=13).filter(|n| world.provider.accepts(&format!("rt-{n}"))).count();
    assert_eq!(alive, 1, "all other grants are revoked");
}

#[tokio::test]
async fn a_client_that_hangs_up_loses_nothing() {
    let (world, laptop) = signed_in().await;
    world.store.set(Method::StepUp, Fault::HangBefore);
    let (here, session) = (world.clone(), laptop.session.clone());
    let (login, cookie) = (login(&world, "ann", "ann-sub"), laptop.secret.digest());
    let waiting = tokio::spawn(async move { step_up(&here, &session, login, cookie).await });
    world.store.until_hanging(Method::StepUp, 1).await;
    waiting.abort();
    world.store.clear(Method::StepUp);
    world.store.release(Method::StepUp);
    settle().await;
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2", "the new tokens are stored");
    assert_eq!(resolved(&world, cookie).await.unwrap().id, laptop.session.id);
}

#[tokio::test]
async fn a_lost_answer_of_the_store_revokes_nothing_that_was_written() {
    let (world, laptop) = signed_in().await;
    world.store.set(Method::StepUp, Fault::ANSWER_LOST);
    let login = login(&world, "ann", "ann-sub");
    let failed = step_up(&world, &laptop.session, login, laptop.secret.digest()).await;
    assert_eq!(failed.unwrap_err(), ManagerErrorKind::Unavailable);
    world.store.clear(Method::StepUp);
    world.pass(MINUTE * 3, SECOND).await;
    world.manager.process_revocations(10).await.unwrap();
    assert_eq!(world.provider.revoked(), ["rt-1"]);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
}

#[tokio::test]
async fn tokens_that_were_not_written_are_revoked() {
    let (world, laptop) = signed_in().await;
    for fault in [Fault::AWAY, Fault::Before(session_core::store::StoreErrorKind::Rejected)] {
        world.store.set(Method::StepUp, fault);
        let login = login(&world, "ann", "ann-sub");
        assert!(step_up(&world, &laptop.session, login, laptop.secret.digest()).await.is_err());
        world.store.clear(Method::StepUp);
        world.pass(MINUTE * 3, SECOND).await;
    }
    world.manager.process_revocations(10).await.unwrap();
    let mut revoked = world.provider.revoked();
    revoked.sort();
    assert_eq!(revoked, ["rt-2", "rt-3"]);
    assert!(resolved(&world, laptop.secret.digest()).await.is_some());
}

#[tokio::test]
async fn a_response_without_a_refresh_token_keeps_the_one_that_is_stored() {
    let (world, laptop) = signed_in().await;
    let tokens = TokenResponse::bearer("at-new").with_expires_in(MINUTE * 5);
    let login = SignIn::new(&user("ann"), &named("okta"), tokens)
        .identity(laptop.session.identity.clone())
        .authentication(Authentication { at: Some(world.manager.now()), ..Default::default() });
    let outcome = step_up(&world, &laptop.session, login, laptop.secret.digest()).await.unwrap();
    assert!(matches!(outcome, StepUpOutcome::SteppedUp { .. }));
    assert_eq!(world.token(&laptop).await.unwrap(), "at-new");
    world.clock.advance(EXPIRED);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
    assert_eq!(world.manager.process_revocations(10).await.unwrap().revoked, 0);
}

#[tokio::test]
async fn other_nodes_serve_what_was_read_before_for_no_longer_than_after_a_renewal() {
    use session_core::middleware::{SessionManagerExt as _, Validity};
    let (world, laptop) = signed_in().await;
    let there = world.another().await;
    let cached: Arc<_> = there.live(&laptop).await;
    stepped_up(&world, &laptop).await;
    world.pass(SECOND, MINUTE / 600).await;
    assert_eq!(there.manager.revalidate(&cached), Validity::Stale);
}

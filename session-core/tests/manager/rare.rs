//! Rare failures: a lease that is lost while the provider is asked, an absurd `Retry-After`, an
//! altered row among many.

use std::time::Duration;

use session_core::manager::{Resolution, SignIn, TokenErrorKind};
use session_core::middleware::SessionManagerExt as _;
use session_core::provider::{ProviderErrorKind, RevocationScope};
use session_core::session::ProviderIdentity;
use session_core::store::memory::MemoryStore;
use session_core::store::{
    KeyRotation as _, Lease, RenewalLeases as _, Reseal, SessionLookup as _,
};
use session_core::testing::sample::{provider as named, subject, user};
use session_core::testing::{
    FakeClock, Fault, FaultyStore, Method, RenewalScript, ScriptedProvider,
};
use session_core::token::{Sealed, SealedTokens};
use session_core::{Keyring, SessionManager};

use crate::world::{SECOND, World, settle};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn f8_a_refusal_after_the_lease_was_lost_ends_nothing() {
    let world = World::of(ScriptedProvider::new()).await;
    let laptop = world.sign_in("ann").await;
    world.clock.advance(SECOND * 301);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Refused, None));
    world.provider.requests().close();
    let (manager, id) = (world.manager.clone(), laptop.session.id);
    let asking = tokio::spawn(async move { manager.access_token(&user("ann"), id).await });
    world.provider.requests().until_held(1).await;

    // This process froze: another one took the lease over, and has rotated but not yet written.
    let seen = world.row(&laptop).await.lease.unwrap();
    let mine = Lease::new(seen.term);
    assert!(world.store.claim_lease(id, Some(&seen), &mine).await.unwrap().is_some());
    world.provider.requests().open();

    let error = asking.await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(world.row(&laptop).await.session.is_live());
}

#[tokio::test]
async fn f38_a_session_of_an_unknown_subject_may_use_any_grant_of_its_user() {
    for is_known_first in [true, false] {
        let scope = RevocationScope::Grant;
        let world = World::of(ScriptedProvider::new().with_revocation_scope(scope)).await;
        let identity = ProviderIdentity { subject: Some(subject("1")), ..Default::default() };
        let known = world.manager.sign_in(world.login("ann").identity(identity)).await.unwrap();
        let unknown = world.sign_in("ann").await;
        let (first, last) = if is_known_first { (known, unknown) } else { (unknown, known) };

        world.manager.sign_out(&first.session.user, first.session.id).await.unwrap();
        assert_eq!(world.manager.process_revocations(10).await.unwrap().held, 1);
        assert_eq!(world.provider.revocations(), 0, "the other device may use that grant");
        world.manager.sign_out(&last.session.user, last.session.id).await.unwrap();
        assert_eq!(world.manager.process_revocations(10).await.unwrap().revoked, 1);
    }
}

#[tokio::test]
async fn no_answer_of_a_provider_delays_renewals_for_ever() {
    let world = World::of(ScriptedProvider::new()).await;
    let laptop = world.sign_in("ann").await;
    world.clock.advance(SECOND * 301);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Throttled, Some(Duration::MAX)));
    let error =
        world.manager.access_token(&laptop.session.user, laptop.session.id).await.unwrap_err();
    assert_eq!(error.kind(), TokenErrorKind::Unavailable { retry_after: DAY });
    world.clock.advance(DAY);
    assert!(world.manager.access_token(&laptop.session.user, laptop.session.id).await.is_ok());
}

#[tokio::test]
async fn no_answer_of_a_provider_delays_a_revocation_for_ever() {
    let scope = RevocationScope::Token;
    let world = World::of(ScriptedProvider::new().with_revocation_scope(scope)).await;
    let laptop = world.sign_in("ann").await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    world.provider.fail_revocation(ProviderErrorKind::Throttled, Some(Duration::MAX));
    assert_eq!(world.manager.process_revocations(1).await.unwrap().postponed, 1);
    world.clock.advance(DAY);
    assert_eq!(world.manager.process_revocations(1).await.unwrap().revoked, 1);
}

#[tokio::test]
async fn f9_a_request_starts_no_renewal_while_its_provider_asked_for_a_pause() {
    let world = World::of(ScriptedProvider::new()).await;
    let laptop = world.sign_in("ann").await;
    world.clock.advance(SECOND * 290);
    let asked = Some(SECOND * 60);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Throttled, asked));
    let resolution = world.manager.resolve(&laptop.secret.digest(), None).await.unwrap();
    let Resolution::Live(live) = resolution else { unreachable!() };
    settle().await;
    assert_eq!(world.provider.renewals(), 1);

    world.store.reset_calls();
    for _ in 0..3 {
        let _ = world.manager.revalidate(&live);
        settle().await;
    }
    assert_eq!(world.store.calls(Method::Find), 0, "no query beside a request that cannot help");
}

#[tokio::test]
async fn a_store_that_refuses_writes_does_not_get_one_at_each_request() {
    let world = World::of(ScriptedProvider::new()).await;
    let laptop = world.sign_in("ann").await;
    let interval = world.manager.policy().touch_interval();
    world.store.set(Method::Touch, Fault::AWAY);
    world.clock.advance(interval);
    // Held as a cache would hold it.
    let _held = world.manager.resolve(&laptop.secret.digest(), None).await.unwrap();
    for _ in 0..20 {
        world.manager.resolve(&laptop.secret.digest(), None).await.unwrap();
        settle().await;
    }
    assert_eq!(world.store.calls(Method::Touch), 1);

    world.store.clear(Method::Touch);
    world.clock.advance(interval / 15);
    world.manager.resolve(&laptop.secret.digest(), None).await.unwrap();
    settle().await;
    assert_eq!(world.row(&laptop).await.session.last_seen_at, world.manager.now());
}

#[tokio::test]
async fn law_10_one_altered_row_does_not_prove_a_wrong_key_among_many_rows_of_other_keys() {
    let (store, clock) = (FaultyStore::new(MemoryStore::new()), FakeClock::new());
    let old = Keyring::generate_entry("old").unwrap();
    let both = format!("{},{}", *Keyring::generate_entry("new").unwrap(), *old);
    let start = async |keys: &str| {
        let builder = SessionManager::builder(store.clone()).clock(clock.clone());
        builder.keyring(Keyring::parse(keys).unwrap()).start().await
    };
    let sign_in = async |manager: &SessionManager, name: String| {
        clock.advance(Duration::from_millis(1));
        let tokens = ScriptedProvider::new().sign_in();
        manager.sign_in(SignIn::new(&user(&name), &named("okta"), tokens)).await.unwrap()
    };
    let manager = start(&old).await.unwrap();
    for number in 0..300 {
        sign_in(&manager, format!("user-{number}")).await;
    }
    let manager = start(&both).await.unwrap();
    let changed = sign_in(&manager, "changed".to_owned()).await.session;
    sign_in(&manager, "whole".to_owned()).await;

    let row = store.find(changed.id).await.unwrap().unwrap();
    let mut tokens: SealedTokens = row.tokens.unwrap();
    let mut bytes = tokens.tokens.as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    tokens.tokens = Sealed::from_bytes(bytes);
    let altered = Reseal::new(changed.id, row.session.revision, tokens);
    assert_eq!(store.reseal(vec![altered]).await.unwrap(), 1);
    assert!(start(&both).await.is_ok());
}

//! The tools that other tests rely on: faults, gates, the scripted provider and the samples.
#![cfg(feature = "test-util")]
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use session_core::policy::Verdict;
use session_core::provider::{ProviderErrorKind, RevocationScope};
use session_core::store::memory::MemoryStore;
use session_core::store::{NewSession, StoreErrorKind};
use session_core::store::{SessionLookup as _, SessionUpdates as _};
use session_core::testing::sample::{self, Login};
use session_core::testing::{Fault, FaultyStore, Method, RenewalScript, ScriptedProvider};
use session_core::{Provider, SessionStore, TokenSet};

async fn admit(store: &dyn SessionStore, new: NewSession) -> Result<(), StoreErrorKind> {
    let verdict = |_: &[_]| Verdict::Admit(Vec::new());
    store.admit(new, &verdict).await.map(drop).map_err(|error| error.kind())
}

fn faulty() -> (FaultyStore, MemoryStore) {
    let memory = MemoryStore::new();
    (FaultyStore::new(memory.clone()), memory)
}

#[tokio::test]
async fn a_fault_before_the_effect_prevents_it() {
    let (store, memory) = faulty();
    let login = Login::of("ann", "okta");
    store.set(Method::Admit, Fault::Before(StoreErrorKind::Contended));
    assert_eq!(admit(&store, login.new_session()).await, Err(StoreErrorKind::Contended));
    assert_eq!(memory.find(login.id()).await.unwrap(), None);
    store.clear(Method::Admit);
    assert_eq!(admit(&store, login.new_session()).await, Ok(()));
}

#[tokio::test]
async fn a_fault_after_the_effect_loses_the_result_only() {
    let (store, memory) = faulty();
    let login = Login::of("ann", "okta");
    store.set_next(Method::Admit, Fault::ANSWER_LOST);
    assert_eq!(admit(&store, login.new_session()).await, Err(StoreErrorKind::Unavailable));
    assert!(memory.find(login.id()).await.unwrap().is_some());
}

#[tokio::test]
async fn queued_faults_occur_in_order_and_once() {
    let (store, _) = faulty();
    let id = Login::of("ann", "okta").id();
    store.set_next(Method::Find, Fault::AWAY);
    store.set_next(Method::Find, Fault::Before(StoreErrorKind::Corrupt));
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(store.find(id).await.map_err(|error| error.kind()).err());
    }
    assert_eq!(kinds, [Some(StoreErrorKind::Unavailable), Some(StoreErrorKind::Corrupt), None]);
    assert_eq!((store.calls(Method::Find), store.total_calls()), (3, 3));
    store.reset_calls();
    assert_eq!(store.total_calls(), 0);
}

#[tokio::test]
async fn a_call_hangs_before_or_after_its_effect_until_it_is_released() {
    for (fault, is_done) in [(Fault::HangBefore, false), (Fault::HangAfter, true)] {
        let (store, memory) = faulty();
        let login = Login::of("ann", "okta");
        store.set(Method::Admit, fault);
        let (handle, new) = (store.clone(), login.new_session());
        let call = tokio::spawn(async move { admit(&handle, new).await });
        store.until_hanging(Method::Admit, 1).await;
        assert_eq!(memory.find(login.id()).await.unwrap().is_some(), is_done, "{fault:?}");
        assert!(!call.is_finished());
        store.release(Method::Admit);
        assert_eq!(call.await.unwrap(), Ok(()));
        // Later calls hang as before, until the fault is removed.
        let (handle, new) = (store.clone(), Login::of("ann", "okta").new_session());
        let later = tokio::spawn(async move { admit(&handle, new).await });
        store.until_hanging(Method::Admit, 1).await;
        store.clear_all();
        assert_eq!(later.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_dropped_call_no_longer_hangs() {
    let (store, memory) = faulty();
    let login = Login::of("ann", "okta");
    store.set(Method::Admit, Fault::HangBefore);
    let (handle, new) = (store.clone(), login.new_session());
    let call = tokio::spawn(async move { admit(&handle, new).await });
    store.until_hanging(Method::Admit, 1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(store.hanging(Method::Admit), 0);
    store.clear_all();
    assert_eq!(memory.find(login.id()).await.unwrap(), None, "and has no effect");
}

#[tokio::test]
async fn an_unavailable_store_fails_in_every_method() {
    let store = FaultyStore::over(Arc::new(MemoryStore::new()));
    store.set_all(Fault::AWAY);
    let login = Login::of("ann", "okta");
    assert!(store.find(login.id()).await.unwrap_err().is_transient());
    assert!(store.list(&login.session.user).await.is_err());
    assert!(store.touch(login.id(), sample::now()).await.is_err());
    store.clear_all();
    assert!(store.touch(login.id(), sample::now()).await.is_ok());
}

/// Renews; returns the tokens or the kind of the error.
async fn renew(
    provider: &ScriptedProvider,
    tokens: &TokenSet,
) -> Result<TokenSet, ProviderErrorKind> {
    let hour = Duration::from_secs(3600);
    let answer = provider.renew(tokens).await.map_err(|error| error.kind())?;
    Ok(tokens.renewed(answer, sample::now(), hour))
}

fn signed_in(provider: &ScriptedProvider) -> TokenSet {
    TokenSet::new(provider.sign_in(), sample::now(), Duration::from_secs(3600))
}

#[tokio::test]
async fn the_provider_rotates_and_records_what_it_was_sent() {
    let provider = ScriptedProvider::new().with_lifetime(Some(Duration::from_secs(60)));
    let first = signed_in(&provider);
    let second = renew(&provider, &first).await.unwrap();
    let third = renew(&provider, &second).await.unwrap();
    assert_eq!((second.access_token(), second.refresh_token()), ("at-2", Some("rt-2")));
    assert_eq!((third.access_token(), third.refresh_token()), ("at-3", Some("rt-3")));
    assert_eq!(third.expires_at(), Some(sample::now() + Duration::from_secs(60)));
    assert_eq!(provider.sent(), ["rt-1", "rt-2"]);
    assert_eq!(provider.renewals(), 2);
    provider.set_lifetime(None);
    let fourth = provider.renew(&third).await.unwrap();
    assert_eq!(fourth.expires_in(), None);
}

#[tokio::test]
async fn r6_a_reused_refresh_token_invalidates_its_family_only() {
    let provider = ScriptedProvider::new().with_reuse_detection();
    let (first, other) = (signed_in(&provider), signed_in(&provider));
    let second = renew(&provider, &first).await.unwrap();
    assert!(provider.accepts(second.refresh_token().unwrap()));
    let refused = Err(ProviderErrorKind::Refused);
    assert_eq!(renew(&provider, &first).await.map(drop), refused, "spent");
    assert_eq!(renew(&provider, &second).await.map(drop), refused, "taken along");
    assert!(!provider.accepts(second.refresh_token().unwrap()));
    assert!(renew(&provider, &other).await.is_ok(), "another sign-in is another family");
    assert_eq!(provider.reuses(), 1);
}

#[tokio::test]
async fn the_script_is_followed_in_order() {
    let provider = ScriptedProvider::new().with_reuse_detection();
    let wait = Some(Duration::from_secs(7));
    provider.script(RenewalScript::Fail(ProviderErrorKind::Throttled, wait));
    provider.script(RenewalScript::KeepRefreshToken);
    provider.script(RenewalScript::Answer(sample::response().with_scope("scripted")));
    let tokens = signed_in(&provider);
    let throttled = provider.renew(&tokens).await.unwrap_err();
    assert_eq!((throttled.kind(), throttled.asks_to_wait()), (ProviderErrorKind::Throttled, wait));
    let kept = renew(&provider, &tokens).await.unwrap();
    assert!(kept.has_refresh_token_of(&tokens) && !kept.is_access_token(tokens.access_token()));
    assert_eq!(renew(&provider, &tokens).await.unwrap().scope(), Some("scripted"));
    provider.otherwise(RenewalScript::RotateAndFail(ProviderErrorKind::Unavailable));
    let lost = renew(&provider, &tokens).await.map(drop);
    assert_eq!(lost, Err(ProviderErrorKind::Unavailable));
    assert!(!provider.accepts(tokens.refresh_token().unwrap()), "it was spent all the same (F11)");
    assert_eq!(provider.renewals(), 4);
}

#[tokio::test]
async fn a_renewal_is_held_before_or_after_its_effect() {
    let provider = ScriptedProvider::new();
    let tokens = signed_in(&provider);
    let sent = tokens.refresh_token().unwrap().to_owned();
    for (gate, is_spent) in [(provider.requests(), false), (provider.answers(), true)] {
        gate.close();
        let (handle, sending) = (provider.clone(), tokens.clone());
        let call = tokio::spawn(async move { renew(&handle, &sending).await.is_ok() });
        gate.until_held(1).await;
        assert_eq!(provider.accepts(&sent), !is_spent);
        if is_spent {
            gate.open();
            assert!(call.await.unwrap());
        } else {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
            gate.open();
        }
    }
    assert_eq!(provider.renewals(), 2, "what was held counts as sent");
}

#[tokio::test]
async fn f38_a_revocation_reaches_as_far_as_its_scope() {
    for (scope, spares_others) in [(RevocationScope::Token, true), (RevocationScope::Grant, false)]
    {
        let provider = ScriptedProvider::new().with_revocation_scope(scope);
        assert_eq!(provider.revocation_scope(), scope);
        let (one, other) = (signed_in(&provider), signed_in(&provider));
        let successor = renew(&provider, &one).await.unwrap();
        let token = one.refresh_token().unwrap().to_owned();
        provider.fail_revocation(ProviderErrorKind::Unavailable, None);
        let failed = provider.revoke(&token.clone().into()).await.unwrap_err();
        assert_eq!(failed.kind(), ProviderErrorKind::Unavailable);
        assert!(provider.accepts(successor.refresh_token().unwrap()));
        provider.revoke(&token.clone().into()).await.unwrap();
        assert!(!provider.accepts(successor.refresh_token().unwrap()));
        assert_eq!(provider.accepts(other.refresh_token().unwrap()), spares_others);
        assert_eq!((provider.revocations(), provider.revoked()), (2, vec![token.clone(), token]));
    }
}

#[test]
fn each_sample_is_different() {
    let [one, two] = [Login::of("ann", "okta"), Login::of("ann", "okta")];
    assert_ne!(one.id(), two.id());
    assert_ne!(one.digest(), two.digest());
    assert!(!one.tokens.is_access_token(two.tokens.access_token()));
    assert_eq!(one.new_session().partition(), two.new_session().partition());
    assert_eq!(Login::of("ann", "okta").connection().digest(), None);
}

#[test]
fn r8_debug_of_the_kit_shows_no_token() {
    let provider = ScriptedProvider::new();
    let login = Login::of("ann", "okta");
    let shown = format!("{provider:?} {login:?} {:?}", login.new_session());
    assert!(!shown.contains(login.tokens.access_token()));
    assert!(!shown.contains(login.secret.as_ref().unwrap().expose()));
}

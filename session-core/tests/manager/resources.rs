//! Access tokens for several resources with one sign-in: one refresh at a time (F24).

use std::collections::HashSet;
use std::time::Duration;

use session_core::TokenResponse;
use session_core::manager::{SignIn, SignedIn, TokenError, TokenErrorKind};
use session_core::provider::ProviderErrorKind;
use session_core::testing::sample::user;
use session_core::testing::{Fault, Method, RenewalScript, ScriptedProvider, sample};
use session_core::token::Resource;
use tokio::task::JoinHandle;

use crate::world::{EXPIRED, MINUTE, SECOND, World, settle};

fn resource(name: &str) -> Resource {
    Resource::new(format!("https://{name}.example/")).unwrap().with_scope("read")
}

async fn signed_in() -> (World, SignedIn) {
    let world = World::of(ScriptedProvider::new().with_reuse_detection()).await;
    let laptop = world.sign_in("ann").await;
    (world, laptop)
}

fn token_later(
    world: &World,
    laptop: &SignedIn,
    name: &str,
) -> JoinHandle<Result<String, TokenError>> {
    let (manager, session, resource) =
        (world.manager.clone(), laptop.session.clone(), resource(name));
    tokio::spawn(async move {
        let token = manager.access_token_for(&session.user, session.id, &resource).await?;
        Ok(token.access_token().to_owned())
    })
}

async fn token(world: &World, laptop: &SignedIn, name: &str) -> Result<String, TokenError> {
    token_later(world, laptop, name).await.unwrap()
}

#[tokio::test]
async fn f24_a_resource_s_token_is_fetched_once_and_stored_beside_the_main_one() {
    let (world, laptop) = signed_in().await;
    assert_eq!(token(&world, &laptop, "files").await.unwrap(), "at-2");
    assert_eq!(token(&world, &laptop, "files").await.unwrap(), "at-2");
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1", "the main one is as it was");
    let there = world.another().await;
    assert_eq!(token(&there, &laptop, "files").await.unwrap(), "at-2", "on every node");
    assert_eq!(token(&there, &laptop, "mail").await.unwrap(), "at-3");
    assert_eq!(world.provider.sent(), ["rt-1", "rt-2"]);
    assert_eq!(world.provider.resources(), [resource("files"), resource("mail")]);
    let other_scope = resource("files").with_scope("write");
    let id = laptop.session.id;
    let wider = world.manager.access_token_for(&user("ann"), id, &other_scope).await.unwrap();
    assert_eq!(wider.access_token(), "at-4", "another scope is another token");
    assert!(world.manager.access_token_for(&user("bob"), id, &other_scope).await.is_err());
}

#[tokio::test]
async fn f24_a_thousand_callers_of_three_resources_at_expiry_on_two_nodes() {
    let (world, laptop) = signed_in().await;
    let there = world.another().await;
    let names = ["files", "mail", "calendar"];
    for name in names {
        token(&world, &laptop, name).await.unwrap();
    }
    world.clock.advance(EXPIRED);
    world.provider.answers().close();
    let nodes = [&world, &there];
    let callers: Vec<_> =
        (0..999).map(|n| (n % 3, token_later(nodes[n % 2], &laptop, names[n % 3]))).collect();
    let main = world.token_later(&laptop);
    for _ in 0..4 {
        while world.provider.answers().held() == 0 {
            world.pass(SECOND / 10, SECOND / 50).await;
        }
        settle().await;
        assert_eq!(world.provider.answers().held(), 1, "one refresh at a time");
        world.provider.answers().open();
        world.provider.answers().close();
    }
    world.pass(SECOND * 2, SECOND / 50).await;
    let mut tokens = vec![HashSet::new(); 3];
    for (n, caller) in callers {
        tokens[n].insert(caller.await.unwrap().unwrap());
    }
    assert!(tokens.iter().all(|of_resource| of_resource.len() == 1), "{tokens:?}");
    assert!(main.await.unwrap().is_ok());
    let mut fetched = world.provider.resources().split_off(3);
    fetched.sort_by_key(|resource| resource.address().to_owned());
    assert_eq!(fetched, [resource("calendar"), resource("files"), resource("mail")]);
    assert_eq!((world.provider.renewals(), world.provider.reuses()), (7, 0));
}

#[tokio::test]
async fn law_5_a_rotated_refresh_token_is_durable_before_a_resource_s_token_is_handed_out() {
    let (world, laptop) = signed_in().await;
    world.store.set(Method::WriteTokens, Fault::AWAY);
    let waiting = token_later(&world, &laptop, "files");
    world.pass(SECOND * 3, SECOND / 10).await;
    assert_eq!(world.provider.renewals(), 1);
    assert!(!waiting.is_finished(), "handed out before it was stored");
    world.store.clear(Method::WriteTokens);
    world.pass(SECOND * 6, SECOND / 10).await;
    assert_eq!(waiting.await.unwrap().unwrap(), "at-2");
    world.clock.advance(EXPIRED);
    assert!(world.token(&laptop).await.is_ok());
    assert_eq!(world.provider.sent(), ["rt-1", "rt-2"]);
}

#[tokio::test]
async fn f24_a_resource_that_is_refused_troubles_nothing_else() {
    for kind in
        [ProviderErrorKind::Refused, ProviderErrorKind::Rejected, ProviderErrorKind::Unsupported]
    {
        let (world, laptop) = signed_in().await;
        world.provider.script(RenewalScript::Fail(kind, None));
        for _ in 0..5 {
            let error = token(&world, &laptop, "files").await.unwrap_err();
            assert_eq!(error.kind(), TokenErrorKind::ResourceRefused, "{kind:?}");
            assert!(!error.needs_sign_in() && !error.is_transient());
        }
        assert_eq!(world.provider.renewals(), 1, "{kind:?}: asked once, and not at each call");
        assert!(world.row(&laptop).await.session.is_live(), "{kind:?}");
        assert_eq!(token(&world, &laptop, "mail").await.unwrap(), "at-2");
        world.clock.advance(EXPIRED);
        assert_eq!(world.token(&laptop).await.unwrap(), "at-3");
        assert_eq!(token(&world, &laptop, "files").await.unwrap(), "at-4", "asked again later");
    }
}

#[tokio::test]
async fn f24_who_waits_behind_a_refused_resource_gets_its_own_token() {
    let (world, laptop) = signed_in().await;
    world.clock.advance(EXPIRED);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Rejected, None));
    world.provider.requests().close();
    let refused = token_later(&world, &laptop, "files");
    world.provider.requests().until_held(1).await;
    let (mail, main) = (token_later(&world, &laptop, "mail"), world.token_later(&laptop));
    settle().await;
    world.provider.requests().open();
    assert_eq!(refused.await.unwrap().unwrap_err().kind(), TokenErrorKind::ResourceRefused);
    assert!(mail.await.unwrap().is_ok());
    assert!(main.await.unwrap().is_ok());
}

#[tokio::test]
async fn f24_a_rejected_token_of_a_resource_is_renewed_once_and_alone() {
    let (world, laptop) = signed_in().await;
    let (id, files) = (laptop.session.id, resource("files"));
    let rejected = token(&world, &laptop, "files").await.unwrap();
    world.clock.advance(MINUTE);
    let other = || async {
        let manager = &world.manager;
        manager.access_token_for_after_rejection(&user("ann"), id, &files, &rejected).await
    };
    let (one, two) = tokio::join!(other(), other());
    assert_eq!(one.unwrap().access_token(), "at-3");
    assert_eq!(two.unwrap().access_token(), "at-3");
    let ann = user("ann");
    let again = world.manager.access_token_for_after_rejection(&ann, id, &files, "at-3").await;
    assert!(again.unwrap_err().is_transient(), "at most once per interval");
    assert_eq!(world.token(&laptop).await.unwrap(), "at-1");
    assert_eq!(world.provider.renewals(), 2);
}

#[tokio::test]
async fn f24_the_tokens_of_many_resources_are_bounded_and_go_with_the_session() {
    let (world, laptop) = signed_in().await;
    for number in 0..40 {
        token(&world, &laptop, &format!("r{number}")).await.unwrap();
    }
    let before = world.provider.renewals();
    for number in 24..40 {
        token(&world, &laptop, &format!("r{number}")).await.unwrap();
    }
    assert_eq!(world.provider.renewals(), before, "the last sixteen are kept");
    token(&world, &laptop, "r0").await.unwrap();
    assert_eq!(world.provider.renewals(), before + 1, "the oldest were dropped");
    world.manager.sign_out(&user("ann"), laptop.session.id).await.unwrap();
    assert_eq!(world.row(&laptop).await.tokens, None);
    assert!(token(&world, &laptop, "r39").await.unwrap_err().needs_sign_in());
}

#[tokio::test]
async fn f24_a_token_that_is_due_is_served_while_it_is_renewed() {
    let (world, laptop) = signed_in().await;
    token(&world, &laptop, "files").await.unwrap();
    world.clock.advance(Duration::from_secs(250));
    assert_eq!(token(&world, &laptop, "files").await.unwrap(), "at-2");
    settle().await;
    assert_eq!(token(&world, &laptop, "files").await.unwrap(), "at-3");
}

#[tokio::test]
async fn an_exchange_sends_the_access_token_which_is_renewed_first_if_it_has_expired() {
    let provider = ScriptedProvider::new().with_reuse_detection().with_token_exchange();
    let world = World::of(provider).await;
    let laptop = world.sign_in("ann").await;
    assert_eq!(token(&world, &laptop, "files").await.unwrap(), "at-2");
    world.clock.advance(EXPIRED);
    assert_eq!(token(&world, &laptop, "files").await.unwrap(), "at-4");
    assert_eq!(world.provider.sent(), ["at-1", "rt-1", "at-3"]);
    assert_eq!(world.token(&laptop).await.unwrap(), "at-3", "the main one, renewed");

    world.clock.advance(EXPIRED);
    let id = laptop.session.id;
    let rejected = world
        .manager
        .access_token_for_after_rejection(&user("ann"), id, &resource("files"), "at-4")
        .await;
    assert_eq!(rejected.unwrap().access_token(), "at-6", "after a 401 as well");
    assert_eq!(world.provider.sent()[3..], ["rt-3", "at-5"]);
}

#[tokio::test]
async fn law_4_the_trouble_of_one_exchange_is_not_that_of_the_provider() {
    for kind in [ProviderErrorKind::Misconfigured, ProviderErrorKind::Malformed] {
        let provider = ScriptedProvider::new().with_reuse_detection().with_token_exchange();
        let world = World::of(provider).await;
        let (laptop, other) = (world.sign_in("ann").await, world.sign_in("bob").await);
        for _ in 0..3 {
            world.provider.script(RenewalScript::Fail(kind, None));
        }
        for name in ["files", "mail", "calendar"] {
            let error = token(&world, &laptop, name).await.unwrap_err();
            assert_eq!(error.kind(), TokenErrorKind::ResourceRefused, "{kind:?}");
        }
        world.clock.advance(EXPIRED);
        assert!(world.token(&laptop).await.is_ok(), "{kind:?}: nothing waits for it");
        assert!(world.token(&other).await.is_ok(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_main_token_that_is_due_is_renewed_before_it_is_exchanged() {
    let provider = ScriptedProvider::new().with_reuse_detection().with_token_exchange();
    let world = World::of(provider).await;
    let laptop = world.sign_in("ann").await;
    world.clock.advance(EXPIRED - SECOND);
    token(&world, &laptop, "files").await.unwrap();
    assert_eq!(world.provider.sent(), ["rt-1", "at-2"]);
    // Both are due: each request costs one renewal of the main token at most, and no lease in vain.
    world.clock.advance(EXPIRED - SECOND);
    for _ in 0..5 {
        token(&world, &laptop, "files").await.unwrap();
        settle().await;
    }
    let sent = world.provider.sent();
    let mains = sent.iter().filter(|token| token.starts_with("rt-")).count();
    assert_eq!(mains, 2, "{sent:?}");
}

#[tokio::test]
async fn an_exchange_needs_no_refresh_token_while_the_access_token_is_valid() {
    let world = World::of(ScriptedProvider::new().with_token_exchange()).await;
    let response = TokenResponse::bearer("at-0").with_expires_in(MINUTE * 5);
    let login = SignIn::new(&user("ann"), &sample::provider("okta"), response);
    let laptop = world.manager.sign_in(login).await.unwrap();
    assert_eq!(token(&world, &laptop, "files").await.unwrap(), "at-1");
    world.clock.advance(EXPIRED);
    let error = token(&world, &laptop, "mail").await.unwrap_err();
    assert!(error.needs_sign_in(), "{error}");
    assert_eq!(world.provider.sent(), ["at-0"]);
}

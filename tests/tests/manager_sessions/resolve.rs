//! Resolving a cookie to a session, or to the reason why there is none.

use std::sync::Arc;
use std::time::Duration;

use session_core::EndReason;
use session_core::manager::Resolution;
use session_core::middleware::{SessionManagerExt as _, Validity};
use session_core::session::SecretDigest;
use session_core::store::Reseal;
use session_core::testing::{Fault, Method, sample};
use session_tests::manager::{World, keyring, settle};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn s3_an_unknown_secret_matches_no_session_and_creates_nothing() {
    let world = World::new().await;
    world.sign_in().await;
    world.store.reset_calls();
    let unknown = SecretDigest::of("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let resolution = world.manager.resolve(&unknown, None).await.unwrap();
    assert!(matches!(resolution, Resolution::Unknown));
    settle().await;
    assert_eq!(world.store.total_calls(), 1, "one reading");
}

#[tokio::test]
async fn s4_law_6_another_users_session_looks_like_none_live_or_ended() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (ann, bob) = (sample::user("ann"), sample::user("bob"));
    let digest = laptop.secret.digest();
    let hers = world.manager.resolve(&digest, Some(&ann)).await.unwrap();
    assert!(matches!(hers, Resolution::Live(_)));
    world.store.reset_calls();
    let his = world.manager.resolve(&digest, Some(&bob)).await.unwrap();
    assert!(matches!(his, Resolution::Unknown));
    settle().await;
    assert_eq!(world.store.total_calls(), 1, "nothing is noted, renewed or confirmed");
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let his = world.manager.resolve(&digest, Some(&bob)).await.unwrap();
    assert!(matches!(his, Resolution::Unknown));
}

#[tokio::test]
async fn law_7_an_ended_session_says_when_and_why_on_every_node() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    here.clock.advance(SECOND * 7);
    here.manager.end_all(&sample::user("ann"), None, EndReason::RevokedByAdmin).await.unwrap();
    for world in [&here, &there] {
        world.clock.advance(SECOND * 3600);
        let Resolution::Ended { id, ended } = world.resolve(&laptop).await else { panic!() };
        assert_eq!((id, ended.reason), (laptop.session.id, EndReason::RevokedByAdmin));
        assert_eq!(ended.at, laptop.session.created_at + SECOND * 7);
    }
}

#[tokio::test]
async fn a_superseded_cookie_counts_as_none_and_is_not_to_be_cleared_for_a_minute() {
    let world = World::new().await;
    let first = world.sign_in().await;
    let again = world.login("ann").supersedes(Some(first.secret.digest()));
    world.manager.sign_in(again).await.unwrap();
    assert!(matches!(world.resolve(&first).await, Resolution::Superseded));
    world.clock.advance(SECOND * 60 - Duration::from_millis(1));
    assert!(matches!(world.resolve(&first).await, Resolution::Superseded));
    world.clock.advance(Duration::from_millis(1));
    assert!(matches!(world.resolve(&first).await, Resolution::Unknown));
}

#[tokio::test]
async fn a_live_session_has_what_a_request_needs() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.clock.advance(SECOND);
    let live = world.live(&laptop).await;
    assert_eq!(live.session(), &laptop.session);
    assert_eq!(live.tokens().access_token(), "at-1");
    assert_eq!(live.last_seen_at(), world.manager.now());
    assert_eq!(live.absolute_deadline(), laptop.absolute_deadline);
    assert_eq!(live.ended_signal().reason(), None);
    let shown = format!("{live:?}{laptop:?}{:?}", world.manager);
    assert!(
        !shown.contains("at-1")
            && !shown.contains("rt-1")
            && !shown.contains(laptop.secret.expose())
    );
}

#[tokio::test]
async fn l1_ended_while_its_row_was_being_read_it_is_ended_for_this_request() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.store.set_next(Method::FindByDigest, Fault::HangAfter);
    let (manager, digest) = (world.manager.clone(), laptop.secret.digest());
    let resolving = tokio::spawn(async move { manager.resolve(&digest, None).await });
    world.store.until_hanging(Method::FindByDigest, 1).await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    world.store.release(Method::FindByDigest);
    let resolution = resolving.await.unwrap().unwrap();
    let Resolution::Ended { ended, .. } = resolution else {
        panic!("brought back: {resolution:?}")
    };
    assert_eq!(ended.reason, EndReason::SignedOut);
}

#[tokio::test]
async fn a_connection_is_found_by_no_cookie() {
    let world = World::new().await;
    let (ann, mcp) = (sample::user("ann"), sample::provider("mcp:github"));
    let connected = world.manager.connect(&ann, &mcp, sample::response()).await.unwrap();
    assert_eq!(world.row(connected.session.id).await.digests.current, None);
    let by_id = SecretDigest::of(&connected.session.id.to_string());
    let resolution = world.manager.resolve(&by_id, None).await.unwrap();
    assert!(matches!(resolution, Resolution::Unknown));
}

#[tokio::test]
async fn a_kept_session_is_invalid_when_it_is_stale_or_ended() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    assert_eq!(world.manager.revalidate(&live), Validity::Usable);
    world.clock.advance(SECOND * 5 - Duration::from_millis(1));
    assert_eq!(world.manager.revalidate(&live), Validity::Usable);
    world.clock.advance(SECOND);
    assert_eq!(world.manager.revalidate(&live), Validity::Stale, "older than max_staleness");

    let live = world.live(&laptop).await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    assert_eq!(world.manager.revalidate(&live), Validity::Stale, "ended on this node: at once");
}

#[tokio::test]
async fn without_staleness_each_request_reads_the_row() {
    let world = World::with(session_tests::manager::policy().max_staleness(Duration::ZERO)).await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    assert_eq!(world.manager.revalidate(&live), Validity::Stale);
}

#[tokio::test]
async fn a_kept_session_whose_token_expired_says_so() {
    use session_tests::manager::LIFETIME;
    let world = World::with(session_tests::manager::policy().max_staleness(SECOND * 3600)).await;
    let laptop = world.sign_in().await;
    let live = world.live(&laptop).await;
    world.clock.advance(LIFETIME);
    assert_eq!(world.manager.revalidate(&live), Validity::TokenExpired);
}

#[tokio::test]
async fn tokens_are_opened_again_only_if_the_row_has_changed() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let digest = laptop.secret.digest();
    let first = world.live(&laptop).await;
    let again = |known| {
        let manager = world.manager.clone();
        async move {
            match manager.resolve_again(&digest, None, Some(known)).await.unwrap() {
                Resolution::Live(live) => live,
                other => panic!("{other:?}"),
            }
        }
    };
    let second = again(&first).await;
    assert!(Arc::ptr_eq(first.tokens(), second.tokens()), "the same tokens, opened once");
    assert_eq!(second.session(), first.session());
    // Sealed anew the revision stays, but the stored bytes are others: they are opened again.
    let sealed = first.tokens().seal(
        &keyring(),
        laptop.session.id,
        &laptop.session.user,
        &laptop.session.provider,
    );
    let anew = Reseal::new(laptop.session.id, 1, sealed.unwrap());
    assert_eq!(world.sessions().reseal(vec![anew]).await.unwrap(), 1);
    let third = again(&second).await;
    assert!(!Arc::ptr_eq(second.tokens(), third.tokens()), "sealed anew, opened again");
    assert_eq!(third.tokens().access_token(), first.tokens().access_token());
    // Another session's tokens are never taken for these.
    let phone = world.sign_in().await;
    let other = world.live(&phone).await;
    let fourth = again(&other).await;
    assert_eq!(fourth.tokens().access_token(), first.tokens().access_token());
}

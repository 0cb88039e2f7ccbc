//! The first device of a user takes over a moved session that no cookie points at.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use session_core::manager::{Claimed, ManagerError, ManagerErrorKind, Resolution, SessionManager};
use session_core::middleware::{CacheInvalidation, SessionManagerExt as _};
use session_core::session::SecretDigest;
use session_core::testing::sample::{Login, now, provider, subject, user};
use session_core::testing::{Fault, Method};
use session_core::{EndReason, SessionId};
use session_tests::database::Migrated;
use session_tests::manager::{World, settle};
use session_tests::on_every_database;

use super::moved::{Moved, admit, login};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn claim(manager: &SessionManager, of: Option<&str>) -> Result<Claimed, ManagerErrorKind> {
    let of = of.map(subject);
    let claimed = manager.claim(&user("ann"), &provider("okta"), of.as_ref()).await;
    claimed.map_err(|error| error.kind())
}

async fn migrated(world: &World) -> Option<SessionId> {
    let found = world.manager.find_migrated(&user("ann"), &provider("okta")).await.unwrap();
    found.map(|session| session.id)
}

/// The session's access token, by its new cookie.
async fn token_of(world: &World, claimed: &Claimed) -> String {
    match world.manager.resolve(&claimed.secret.digest(), None).await.unwrap() {
        Resolution::Live(live) => live.tokens().access_token().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// What came of so many claims at once over two nodes.
async fn simultaneous_claims(
    nodes: [&World; 2],
    count: usize,
    of: Option<&'static str>,
) -> Vec<Result<Claimed, ManagerErrorKind>> {
    let claims: Vec<_> = (0..count)
        .map(|n| {
            let manager = nodes[n % 2].manager.clone();
            tokio::spawn(async move { claim(&manager, of).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for claim in claims {
        outcomes.push(claim.await.unwrap());
    }
    outcomes
}

on_every_database! {
    async fn of_sixteen_simultaneous_claims_one_wins_and_the_row_is_still_found(database: Migrated) {
        let moved = Moved::on(&database, "open").await;
        let there = moved.another(&database).await;
        let imported = login(&moved.world, "ann");
        moved.bring(&imported).await;
        let outcomes = simultaneous_claims([&moved.world, &there], 16, None).await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 15));
        assert!(lost.into_iter().all(|lost| lost.unwrap_err() == ManagerErrorKind::NotFound));
        let claimed = won.into_iter().next().unwrap().unwrap();
        assert_eq!(claimed.session.id, imported.id());
        for world in [&moved.world, &there] {
            assert_eq!(token_of(world, &claimed).await, imported.tokens.access_token());
            assert_eq!(migrated(world).await, Some(imported.id()), "a job still finds it");
        }
        let row = moved.world.row(imported.id()).await;
        assert_eq!((row.digests.current, row.digests.previous), (Some(claimed.secret.digest()), None));
        assert_eq!(row.session.revision, claimed.session.revision);
    }

    async fn several_of_one_subject_go_to_as_many_devices(database: Migrated) {
        let moved = Moved::on(&database, "open").await;
        let there = moved.another(&database).await;
        let mut all = HashSet::new();
        for second in 0..3 {
            let at = now() + Duration::from_secs(second);
            let one = login(&moved.world, "ann").at(at).subject(Some("s-1"));
            moved.bring(&one).await;
            all.insert(one.id());
        }
        moved.bring(&login(&moved.world, "ann").subject(Some("s-2"))).await;
        let outcomes = simultaneous_claims([&moved.world, &there], 16, Some("s-1")).await;
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert!(lost.into_iter().all(|lost| lost.unwrap_err() == ManagerErrorKind::NotFound));
        let won: Vec<_> = won.into_iter().map(|claimed| claimed.unwrap().session.id).collect();
        assert_eq!(won.len(), 3, "each device has one");
        assert_eq!(won.into_iter().collect::<HashSet<_>>(), all);
    }

    async fn several_without_a_subject_are_listed_and_none_is_given(database: Migrated) {
        let moved = Moved::on(&database, "open").await;
        let by_subject = login(&moved.world, "ann").subject(Some("s-1"));
        let mut by_account = login(&moved.world, "ann").at(now() + DAY / 24).subject(None);
        by_account.session.identity.account = Some("a-2".to_owned());
        moved.bring(&by_subject).await;
        moved.bring(&by_account).await;
        let manager = &moved.world.manager;
        let error = manager.claim(&user("ann"), &provider("okta"), None).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::Ambiguous);
        assert!(!error.is_transient());
        let listed: Vec<_> =
            error.candidates().iter().map(|s| (s.id, s.identity.cap_subject())).collect();
        let expected = [
            (by_account.id(), Some(subject("a-2"))),
            (by_subject.id(), Some(subject("s-1"))),
        ];
        assert_eq!(listed, expected, "the last admitted first");
        assert_eq!(claim(manager, Some("s-3")).await.unwrap_err(), ManagerErrorKind::NotFound);
        assert_eq!(claim(manager, Some("a-2")).await.unwrap().session.id, by_account.id());
        assert_eq!(claim(manager, None).await.unwrap().session.id, by_subject.id(), "no choice left");
        assert_eq!(claim(manager, None).await.unwrap_err(), ManagerErrorKind::NotFound);
    }

    async fn a_job_finds_a_moved_session_until_its_move_is_final(database: Migrated) {
        let moved = Moved::on(&database, "held").await;
        let imported = login(&moved.world, "ann");
        moved.bring(&imported).await;
        for state in ["held", "open"] {
            moved.go_on_to(state).await;
            assert_eq!(migrated(&moved.world).await, Some(imported.id()), "{state}");
        }
        claim(&moved.world.manager, None).await.unwrap();
        assert_eq!(migrated(&moved.world).await, Some(imported.id()), "claimed");
        moved.go_on_to("final").await;
        assert_eq!(migrated(&moved.world).await, None);
        let of_no_move = login(&moved.world, "ann").at(now() + DAY / 24);
        admit(&moved.world, &of_no_move).await;
        assert_eq!(migrated(&moved.world).await, Some(of_no_move.id()), "without a move it is not final");
    }
}

#[tokio::test]
async fn a_timed_out_session_is_neither_claimed_nor_found() {
    let world = World::new().await;
    let old = login(&world, "ann").subject(Some("s-1"));
    let new = login(&world, "ann").at(now() + DAY * 2).subject(Some("s-2"));
    admit(&world, &old).await;
    admit(&world, &new).await;
    world.clock.advance(DAY * 8);
    let claimed = claim(&world.manager, None).await.unwrap();
    assert_eq!(claimed.session.id, new.id(), "the old one is no choice any more");
    assert_eq!(claim(&world.manager, Some("s-1")).await.unwrap_err(), ManagerErrorKind::NotFound);
    world.clock.advance(DAY * 7);
    assert_eq!(migrated(&world).await, None);
}

#[tokio::test]
async fn a_claim_is_a_use_and_ends_nothing() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let imported = login(&world, "ann");
    admit(&world, &imported).await;
    world.clock.advance(DAY * 6);
    world.live(&laptop).await;
    let claimed = claim(&world.manager, None).await.unwrap();
    assert_eq!(claimed.absolute_deadline, Some(now() + DAY * 30), "it is as old as its import");
    settle().await;
    let row = world.row(imported.id()).await;
    assert_eq!(row.session.last_seen_at, now() + DAY * 6, "it is used now");
    world.clock.advance(DAY * 6);
    assert_eq!(world.manager.list(&user("ann"), None).await.unwrap().len(), 2);
}

#[tokio::test]
async fn another_users_session_a_login_or_a_connection_cannot_be_claimed() {
    let world = World::new().await;
    let kinds = [
        login(&world, "ben"),
        Login::of("ann", "okta"),
        Login::of("ann", "okta").connection(),
        Login::of("ann", "mcp:tool").imported(),
    ];
    for other in &kinds {
        admit(&world, other).await;
    }
    assert_eq!(claim(&world.manager, None).await.unwrap_err(), ManagerErrorKind::NotFound);
    assert_eq!(migrated(&world).await, None);
}

/// A cache that notes what it is to forget.
#[derive(Default)]
struct Forgetful(Mutex<Vec<SecretDigest>>);

impl CacheInvalidation for Forgetful {
    fn forget(&self, digests: &mut dyn Iterator<Item = SecretDigest>) {
        self.0.lock().unwrap().extend(digests);
    }
}

#[tokio::test]
async fn a_disconnecting_client_leaves_no_claim_half_done() {
    let world = World::new().await;
    let cache = Arc::new(Forgetful::default());
    world.manager.register_cache(&cache);
    let imported = login(&world, "ann");
    admit(&world, &imported).await;
    world.store.set_next(Method::RotateSecret, Fault::HangAfter);
    let manager = world.manager.clone();
    let client = tokio::spawn(async move { claim(&manager, None).await.map(drop) });
    world.store.until_hanging(Method::RotateSecret, 1).await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    world.store.release(Method::RotateSecret);
    let current = world.row(imported.id()).await.digests.current.unwrap();
    settle().await;
    assert!(cache.0.lock().unwrap().contains(&current), "caches are invalidated in any case");
    assert_eq!(migrated(&world).await, Some(imported.id()), "a job still finds it");
}

#[tokio::test]
async fn an_unavailable_store_is_an_error_and_not_an_anonymous_request() {
    let world = World::new().await;
    admit(&world, &login(&world, "ann")).await;
    for method in [Method::ListUnclaimed, Method::RotateSecret] {
        world.store.set(method, Fault::AWAY);
        let error = claim(&world.manager, None).await.unwrap_err();
        assert_eq!(error, ManagerErrorKind::Unavailable);
        world.store.clear(method);
    }
    world.store.set(Method::ListMigrated, Fault::AWAY);
    let error: ManagerError =
        world.manager.find_migrated(&user("ann"), &provider("okta")).await.unwrap_err();
    assert!(error.is_transient());
    assert!(claim(&world.manager, None).await.is_ok(), "nothing was taken");
}

#[tokio::test]
async fn a_claimed_session_is_ended_as_any_other() {
    let world = World::new().await;
    let imported = login(&world, "ann");
    admit(&world, &imported).await;
    let claimed = claim(&world.manager, None).await.unwrap();
    let ended = world.manager.end_all(&user("ann"), None, EndReason::RevokedByAdmin).await.unwrap();
    assert_eq!(ended, 1);
    let resolution = world.manager.resolve(&claimed.secret.digest(), None).await.unwrap();
    assert!(matches!(resolution, Resolution::Ended { id, .. } if id == imported.id()));
    assert_eq!(world.outbox().await, [imported.tokens.refresh_token().unwrap()]);
}

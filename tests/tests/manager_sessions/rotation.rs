//! Rotation of the secret; losing a `Set-Cookie` signs no user out.

use std::time::Duration;

use session_core::manager::{ManagerErrorKind, Resolution, Rotation};
use session_core::middleware::LiveSessionExt as _;
use session_core::session::{SecretDigest, SessionSecret};
use session_core::testing::{Fault, Method, sample};
use session_core::{EndReason, SessionId};
use session_tests::manager::{World, settle};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

async fn rotated(world: &World, id: SessionId) -> SessionSecret {
    match world.manager.rotate_secret(&sample::user("ann"), id).await.unwrap() {
        Rotation::Rotated { secret, .. } => secret,
        _ => panic!("no rotation"),
    }
}

async fn is_live(world: &World, digest: SecretDigest) -> bool {
    let resolution = world.manager.resolve(&digest, None).await.unwrap();
    settle().await;
    matches!(resolution, Resolution::Live(_))
}

async fn is_lost(world: &World, digest: SecretDigest) -> bool {
    match world.manager.resolve(&digest, None).await.unwrap() {
        Resolution::Live(live) => live.is_new_secret_lost(world.manager.now()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s2_a_rotation_changes_the_secret_and_nothing_else() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let before = world.row(laptop.session.id).await;
    let new = rotated(&world, laptop.session.id).await;
    assert_ne!(new.digest(), laptop.secret.digest());
    let after = world.row(laptop.session.id).await;
    assert_eq!(after.tokens, before.tokens);
    assert_eq!(after.session.timeouts_from, before.session.timeouts_from);
    assert_eq!(after.session.revision, before.session.revision + 1);
    assert!(is_live(&world, new.digest()).await);
}

#[tokio::test]
async fn the_old_secret_is_accepted_for_30_seconds_after_the_new_one_was_presented() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (old, new) = (laptop.secret.digest(), rotated(&world, laptop.session.id).await.digest());
    world.clock.advance(MINUTE * 5);
    assert!(is_live(&world, old).await, "the new one has not been presented yet");
    assert!(is_live(&world, new).await);
    world.clock.advance(SECOND * 30 - MOMENT);
    assert!(is_live(&world, old).await);
    world.clock.advance(MOMENT);
    assert!(!is_live(&world, old).await);
    assert!(is_live(&world, new).await);
}

#[tokio::test]
async fn a_later_presentation_does_not_prolong_the_old_one() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (old, new) = (laptop.secret.digest(), rotated(&world, laptop.session.id).await.digest());
    for _ in 0..3 {
        assert!(is_live(&world, new).await);
        world.clock.advance(SECOND * 10);
    }
    assert!(!is_live(&world, old).await);
}

#[tokio::test]
async fn the_old_secret_is_accepted_for_ten_minutes_at_most() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    rotated(&world, laptop.session.id).await;
    world.clock.advance(MINUTE * 10 - MOMENT);
    assert!(is_live(&world, laptop.secret.digest()).await);
    world.clock.advance(MOMENT);
    assert!(!is_live(&world, laptop.secret.digest()).await);
}

#[tokio::test]
async fn there_is_no_second_rotation_while_the_old_secret_is_accepted() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let id = laptop.session.id;
    let new = rotated(&world, id).await.digest();
    for _ in 0..3 {
        assert!(matches!(
            world.manager.rotate_secret(&sample::user("ann"), id).await.unwrap(),
            Rotation::InProgress
        ));
    }
    assert!(is_live(&world, new).await);
    world.clock.advance(SECOND * 30 - MOMENT);
    assert!(matches!(
        world.manager.rotate_secret(&sample::user("ann"), id).await.unwrap(),
        Rotation::InProgress
    ));
    world.clock.advance(MOMENT);
    let newest = rotated(&world, id).await.digest();
    assert!(is_live(&world, newest).await && is_live(&world, new).await);
    assert!(!is_live(&world, laptop.secret.digest()).await);
}

#[tokio::test]
async fn many_simultaneous_rotations_on_two_nodes_return_one_secret() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    let calls: Vec<_> = (0..20)
        .map(|n| {
            let manager = if n % 2 == 0 { &here } else { &there }.manager.clone();
            let id = laptop.session.id;
            tokio::spawn(
                async move { manager.rotate_secret(&sample::user("ann"), id).await.unwrap() },
            )
        })
        .collect();
    let mut secrets = Vec::new();
    for call in calls {
        if let Rotation::Rotated { secret, .. } = call.await.unwrap() {
            secrets.push(secret);
        }
    }
    assert_eq!(secrets.len(), 1);
    assert!(is_live(&here, secrets[0].digest()).await);
}

#[tokio::test]
async fn a_lost_set_cookie_is_repaired_after_a_minute() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (id, old) = (laptop.session.id, laptop.secret.digest());
    let lost = rotated(&world, id).await.digest();
    world.clock.advance(MINUTE - MOMENT);
    assert!(!is_lost(&world, old).await, "its response may still arrive");
    world.clock.advance(MOMENT);
    assert!(is_lost(&world, old).await);
    let new = rotated(&world, id).await.digest();
    assert!(is_live(&world, new).await && is_live(&world, old).await);
    assert!(!is_live(&world, lost).await);
}

#[tokio::test]
async fn of_many_requests_that_find_the_secret_lost_only_one_repairs_it() {
    let here = World::new().await;
    let there = here.another().await;
    let laptop = here.sign_in().await;
    let (id, old) = (laptop.session.id, laptop.secret.digest());
    rotated(&here, id).await;
    here.clock.advance(MINUTE * 2);
    assert!(is_lost(&here, old).await && is_lost(&there, old).await);
    let new = rotated(&here, id).await.digest();
    // The page's other requests come a little later, here and elsewhere; their responses may be
    // the last that the browser sees.
    for world in [&here, &there] {
        world.clock.advance(SECOND);
        assert!(!is_lost(world, old).await);
        let again = world.manager.rotate_secret(&sample::user("ann"), id).await.unwrap();
        assert!(matches!(again, Rotation::InProgress), "the first one's secret is void");
    }
    assert!(is_live(&here, new).await);
}

#[tokio::test]
async fn a_repair_does_not_prolong_the_ten_minutes_of_the_old_secret() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (id, old) = (laptop.session.id, laptop.secret.digest());
    rotated(&world, id).await;
    world.clock.advance(MINUTE * 4);
    let new = rotated(&world, id).await.digest();
    world.clock.advance(MINUTE * 6 - MOMENT);
    assert!(is_live(&world, old).await);
    world.clock.advance(MOMENT);
    assert!(!is_live(&world, old).await);
    assert!(is_live(&world, new).await);
    assert!(matches!(
        world.manager.rotate_secret(&sample::user("ann"), id).await.unwrap(),
        Rotation::Rotated { .. }
    ));
}

#[tokio::test]
async fn a_rotation_whose_result_is_lost_leaves_the_old_secret_valid() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let (id, old) = (laptop.session.id, laptop.secret.digest());
    world.store.set_next(Method::RotateSecret, Fault::ANSWER_LOST);
    assert!(
        world.manager.rotate_secret(&sample::user("ann"), id).await.unwrap_err().is_transient()
    );
    assert!(is_live(&world, old).await);
    world.clock.advance(MINUTE);
    let new = rotated(&world, id).await.digest();
    assert!(is_live(&world, old).await && is_live(&world, new).await);
}

#[tokio::test]
async fn a_disconnecting_caller_leaves_the_old_secret_valid() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.store.set_next(Method::RotateSecret, Fault::HangAfter);
    let (manager, id) = (world.manager.clone(), laptop.session.id);
    let rotating =
        tokio::spawn(async move { manager.rotate_secret(&sample::user("ann"), id).await });
    world.store.until_hanging(Method::RotateSecret, 1).await;
    rotating.abort();
    world.store.release(Method::RotateSecret);
    settle().await;
    assert!(is_live(&world, laptop.secret.digest()).await);
}

#[tokio::test]
async fn an_ended_or_unknown_session_gets_no_secret() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    let error =
        world.manager.rotate_secret(&laptop.session.user, laptop.session.id).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::Ended(EndReason::SignedOut));
    assert_eq!(error.end_reason(), Some(EndReason::SignedOut));
    let unknown = SessionId::generate(world.manager.now());
    let error = world.manager.rotate_secret(&sample::user("ann"), unknown).await.unwrap_err();
    assert_eq!(error.kind(), ManagerErrorKind::NotFound);
}

#[tokio::test]
async fn l1_an_end_is_an_end_for_both_secrets() {
    let world = World::new().await;
    let laptop = world.sign_in().await;
    let new = rotated(&world, laptop.session.id).await.digest();
    world.manager.sign_out(&laptop.session.user, laptop.session.id).await.unwrap();
    assert!(!is_live(&world, new).await && !is_live(&world, laptop.secret.digest()).await);
}

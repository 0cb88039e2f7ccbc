//! Until the cutover only the old application may use a migrated refresh token and its cookie.

use std::time::Duration;

use session_core::manager::{Resolution, Rotation, TokenErrorKind};
use session_core::store::memory::MemoryStore;
use session_core::testing::sample::{self, Login, user};
use session_core::testing::{Method, ScriptedProvider};
use session_core::{EndReason, SessionId};
use session_tests::database::Migrated;
use session_tests::manager::{DUE, LIFETIME, World, policy, settle, until_real};
use session_tests::on_every_database;

use super::moved::{Moved, admit, login};

/// For how long a session that was found held is not looked at again.
const REMEMBERED: Duration = Duration::from_secs(5);

async fn token(world: &World, id: SessionId) -> Result<String, TokenErrorKind> {
    let tokens =
        world.manager.access_token(&user("ann"), id).await.map_err(|error| error.kind())?;
    Ok(tokens.access_token().to_owned())
}

on_every_database! {
    async fn a_held_session_is_served_while_valid_and_renewed_only_after_the_cutover(
        database: Migrated
    ) {
        let moved = Moved::on(&database, "held").await;
        let world = &moved.world;
        let imported = login(world, "ann");
        moved.bring(&imported).await;
        let id = imported.id();
        world.clock.advance(DUE);
        assert_eq!(token(world, id).await.unwrap(), imported.tokens.access_token(), "due, and valid");
        let is_asked = || async { world.store.calls(Method::IsHeld) == 1 };
        until_real("a renewal looks whether it is held", is_asked).await;
        world.clock.advance(LIFETIME - DUE);
        for _ in 0..3 {
            let error = token(world, id).await.unwrap_err();
            assert!(matches!(error, TokenErrorKind::Unavailable { retry_after } if !retry_after.is_zero()));
            world.clock.advance(REMEMBERED);
        }
        let row = world.row(id).await;
        assert_eq!((world.provider.renewals(), row.lease, row.session.revision), (0, None, 1));
        moved.go_on_to("open").await;
        assert_ne!(token(world, id).await.unwrap(), imported.tokens.access_token());
        assert_eq!((world.provider.renewals(), world.provider.reuses()), (1, 0));
    }

    async fn a_rejected_token_of_a_held_session_is_not_replaced(database: Migrated) {
        let moved = Moved::on(&database, "held").await;
        let world = &moved.world;
        let imported = login(world, "ann");
        moved.bring(&imported).await;
        let (id, rejected) = (imported.id(), imported.tokens.access_token());
        let error = world.manager.access_token_after_rejection(&user("ann"), id, rejected).await.unwrap_err();
        assert!(error.is_transient() && error.retry_after().is_some());
        assert_eq!(world.provider.renewals(), 0);
        moved.go_on_to("open").await;
        world.clock.advance(REMEMBERED);
        let tokens = world.manager.access_token_after_rejection(&user("ann"), id, rejected).await.unwrap();
        assert!(!tokens.is_access_token(rejected));
    }

    async fn the_cookie_of_a_held_session_is_not_rotated_until_the_cutover(database: Migrated) {
        let moved = Moved::on(&database, "held").await;
        let world = &moved.world;
        let cookie = sample::secret();
        let imported = Login { secret: Some(cookie.clone()), ..login(world, "ann") };
        moved.bring(&imported).await;
        let id = imported.id();
        for _ in 0..2 {
            assert!(matches!(world.manager.rotate_secret(&user("ann"), id).await.unwrap(), Rotation::InProgress));
        }
        let row = world.row(id).await;
        assert_eq!((row.digests.current, row.session.revision), (Some(cookie.digest()), 1));
        let resolution = world.manager.resolve(&cookie.digest(), None).await.unwrap();
        assert!(matches!(resolution, Resolution::Live(_)));
        moved.go_on_to("open").await;
        world.clock.advance(REMEMBERED);
        let rotated = world.manager.rotate_secret(&user("ann"), id).await.unwrap();
        assert!(matches!(rotated, Rotation::Rotated { .. }));
    }

    async fn a_session_of_a_sign_in_is_not_held(database: Migrated) {
        let moved = Moved::on(&database, "held").await;
        let world = &moved.world;
        moved.bring(&login(world, "ann")).await;
        let laptop = world.sign_in().await;
        world.clock.advance(LIFETIME);
        assert!(world.token(&laptop).await.is_ok());
        assert_eq!(world.provider.renewals(), 1);
        assert_eq!(world.store.calls(Method::IsHeld), 0, "only moved sessions are asked about");
        let ended = world.manager.end_all(&user("ann"), None, EndReason::SignedOut).await.unwrap();
        assert_eq!(ended, 2, "a person signs out as ever");
    }
}

#[tokio::test]
async fn a_held_session_costs_one_query_per_interval() {
    let sessions = MemoryStore::new();
    let provider = ScriptedProvider::new().with_reuse_detection();
    let world = World::on(std::sync::Arc::new(sessions.clone()), policy(), provider).await;
    sessions.hold_imported(true);
    let cookie = sample::secret();
    let imported = Login { secret: Some(cookie.clone()), ..login(&world, "ann") };
    admit(&world, &imported).await;
    world.clock.advance(DUE);
    for _ in 0..10 {
        world.manager.resolve(&cookie.digest(), None).await.unwrap();
        settle().await;
        world.manager.rotate_secret(&user("ann"), imported.id()).await.unwrap();
    }
    assert_eq!(world.store.calls(Method::IsHeld), 1);
    assert_eq!(world.store.calls(Method::Find), 1, "the one renewal that found it held");
    sessions.hold_imported(false);
    world.clock.advance(REMEMBERED);
    world.manager.resolve(&cookie.digest(), None).await.unwrap();
    settle().await;
    assert_eq!(world.provider.renewals(), 1);
}

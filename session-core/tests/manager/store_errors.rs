//! A refusal of the store that will not change is told apart from a store that is away.

use session_core::manager::{ManagerErrorKind, TokenErrorKind};
use session_core::provider::RevocationScope;
use session_core::store::StoreErrorKind;
use session_core::testing::{Fault, Method, ScriptedProvider};

use crate::world::{EXPIRED, MINUTE, SECOND, World, policy};

#[tokio::test]
async fn law_5_a_write_that_the_store_rejects_is_given_up_and_reported() {
    let policy = policy().max_renewal_wait(MINUTE * 10);
    let world =
        World::with(policy, ScriptedProvider::new().with_revocation_scope(RevocationScope::Token))
            .await;
    let laptop = world.sign_in("ann").await;
    world.clock.advance(EXPIRED);
    world.store.set(Method::WriteTokens, Fault::Before(StoreErrorKind::Rejected));
    let waiting = world.token_later(&laptop);
    world.pass(MINUTE * 60, SECOND).await;
    let writes = world.store.calls(Method::WriteTokens);
    assert!(writes <= 5, "{writes} writes in an hour");
    assert_eq!(world.row(&laptop).await.lease, None, "the lease is still held");
    let error = waiting.await.unwrap().unwrap_err();
    assert!(!error.is_transient(), "{error}");
    assert_eq!(error.kind(), TokenErrorKind::StoreRejected);
    assert!(world.row(&laptop).await.session.is_live(), "the session stays");
    world.manager.process_revocations(10).await.unwrap();
    assert!(!world.provider.revoked().is_empty(), "a refresh token that no row holds is revoked");
}

#[tokio::test]
async fn a_rejection_of_the_store_is_never_called_away() {
    let world = World::of(ScriptedProvider::new()).await;
    let laptop = world.sign_in("ann").await;
    for kind in [StoreErrorKind::Rejected, StoreErrorKind::Corrupt] {
        world.store.set(Method::End, Fault::Before(kind));
        let ended = world.manager.sign_out(&laptop.session.user, laptop.session.id).await;
        let error = ended.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::StoreRejected, "{kind:?}");
        assert!(!error.is_transient());
    }
    world.store.set(Method::End, Fault::AWAY);
    let ended = world.manager.sign_out(&laptop.session.user, laptop.session.id).await;
    assert_eq!(ended.unwrap_err().kind(), ManagerErrorKind::Unavailable);
}

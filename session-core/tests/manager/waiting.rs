//! While a session waits, its requests cost nothing.

use session_core::manager::TokenErrorKind;
use session_core::middleware::SessionManagerExt as _;
use session_core::provider::ProviderErrorKind;
use session_core::testing::{Method, RenewalScript, ScriptedProvider};

use crate::world::{EXPIRED, MINUTE, World, settle};

#[tokio::test]
async fn a_request_of_a_waiting_session_starts_no_task_and_reads_no_row() {
    let world = World::of(ScriptedProvider::new()).await;
    let laptop = world.sign_in("ann").await;
    world.clock.advance(EXPIRED);
    let hour = Some(MINUTE * 60);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Throttled, hour));
    let live = world.live(&laptop).await;
    assert!(world.manager.with_valid_token(&live).await.is_err());
    settle().await;
    world.store.reset_calls();
    for _ in 0..100 {
        let error = world.manager.with_valid_token(&live).await.unwrap_err();
        assert_eq!(error.kind(), TokenErrorKind::Unavailable { retry_after: MINUTE * 60 });
    }
    settle().await;
    assert_eq!(world.store.total_calls(), 0, "queries of 100 requests");
    assert_eq!(world.provider.renewals(), 1);
}

#[tokio::test]
async fn a_job_of_a_waiting_session_reads_its_row_once() {
    let world = World::of(ScriptedProvider::new()).await;
    let laptop = world.sign_in("ann").await;
    world.clock.advance(EXPIRED);
    let hour = Some(MINUTE * 60);
    world.provider.script(RenewalScript::Fail(ProviderErrorKind::Throttled, hour));
    assert!(world.token(&laptop).await.is_err());
    world.store.reset_calls();
    assert!(world.token(&laptop).await.is_err());
    assert_eq!(world.store.calls(Method::Find), 1);
}

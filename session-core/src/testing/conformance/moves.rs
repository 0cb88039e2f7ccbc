//! Law 6 for sessions that were moved here: whose they are, and which of them a device may claim.

use super::kit::{
    Nodes, Outcome, at, end_one, ensure, ensure_eq, ids, sign_in_all, signed_in, stored,
};
use crate::session::{EndReason, SessionId};
use crate::store::{SecretRotation, SessionStore};
use crate::testing::sample::{self, Login};

cases! { 6:
    law_6_unclaimed_are_the_moved_sessions_of_one_user_and_provider_without_a_cookie,
    law_6_legacy_are_the_moved_sessions_of_one_user_and_provider_claimed_or_not,
    law_6_an_ended_session_is_neither_unclaimed_nor_legacy,
    law_6_what_no_move_holds_is_not_held,
}

/// Whom the moved sessions below are not to be taken for.
fn strangers() -> [Login; 5] {
    [
        Login::of("ann", "okta"),
        Login::of("ann", "okta").connection(),
        Login::of("ann", "okta ").imported(),
        Login::of("ann", "mcp:tool").imported(),
        Login::of("Ann", "okta").imported(),
    ]
}

/// One that a cookie of the other system points at.
fn with_cookie() -> Login {
    Login { secret: Some(sample::secret()), ..Login::of("ann", "okta").imported() }
}

async fn unclaimed(store: &dyn SessionStore) -> Outcome<Vec<SessionId>> {
    let found = store.list_unclaimed(&sample::user("ann"), &sample::provider("okta")).await?;
    Ok(ids(&found))
}

async fn legacy(store: &dyn SessionStore) -> Outcome<Vec<SessionId>> {
    let found = store.list_migrated(&sample::user("ann"), &sample::provider("okta")).await?;
    Ok(ids(&found))
}

/// Gives a session its first secret, as the first device's claim does.
async fn claim(store: &dyn SessionStore, id: SessionId) -> Outcome {
    let to = sample::secret().digest();
    let rotation = SecretRotation { id, from: None, to, previous: None };
    ensure(store.rotate_secret(rotation).await?, "the first device claims it")
}

async fn law_6_unclaimed_are_the_moved_sessions_of_one_user_and_provider_without_a_cookie(
    nodes: Nodes,
) -> Outcome {
    let moved = [0, 1, 2].map(|second| Login::of("ann", "okta").at(at(second)).imported());
    sign_in_all(nodes.first(), &strangers()).await?;
    sign_in_all(nodes.first(), &moved).await?;
    sign_in_all(nodes.first(), &[with_cookie()]).await?;
    let [old, middle, new] = moved.each_ref().map(Login::id);
    nodes.first().touch(old, at(500)).await?;
    let found = unclaimed(nodes.other()).await?;
    ensure_eq(found, vec![new, middle, old], "the last admitted comes first, and no other comes")?;
    claim(nodes.first(), middle).await?;
    ensure_eq(unclaimed(nodes.other()).await?, vec![new, old], "a claimed one is claimed")?;
    let listed =
        nodes.other().list_unclaimed(&sample::user("ann"), &sample::provider("okta")).await?;
    let row = stored(nodes.first(), new).await?;
    ensure_eq(listed.first(), Some(&row.session), "it comes as it is stored")
}

async fn law_6_legacy_are_the_moved_sessions_of_one_user_and_provider_claimed_or_not(
    nodes: Nodes,
) -> Outcome {
    let cookie = with_cookie();
    let bare = Login::of("ann", "okta").at(at(1)).imported();
    sign_in_all(nodes.first(), &strangers()).await?;
    sign_in_all(nodes.first(), &[cookie.clone(), bare.clone()]).await?;
    let both = vec![bare.id(), cookie.id()];
    ensure_eq(legacy(nodes.other()).await?, both.clone(), "with and without a cookie")?;
    claim(nodes.other(), bare.id()).await?;
    ensure_eq(legacy(nodes.first()).await?, both, "a claim changes nothing about it")
}

async fn law_6_an_ended_session_is_neither_unclaimed_nor_legacy(nodes: Nodes) -> Outcome {
    let [stays, goes] = [0, 1].map(|second| Login::of("ann", "okta").at(at(second)).imported());
    sign_in_all(nodes.first(), &[stays.clone(), goes.clone()]).await?;
    end_one(nodes.other(), goes.id(), EndReason::RevokedByUser, at(5)).await?;
    ensure_eq(unclaimed(nodes.first()).await?, vec![stays.id()], "one is left to claim")?;
    ensure_eq(legacy(nodes.first()).await?, vec![stays.id()], "and to find")
}

async fn law_6_what_no_move_holds_is_not_held(nodes: Nodes) -> Outcome {
    for login in [Login::of("ann", "okta"), Login::of("ann", "okta").imported(), with_cookie()] {
        signed_in(nodes.first(), &login).await?;
        ensure(!nodes.other().is_held(login.id()).await?, "no move brought it")?;
    }
    let absent = Login::of("ann", "okta").imported();
    ensure(!nodes.first().is_held(absent.id()).await?, "nor is one held that is not there")
}

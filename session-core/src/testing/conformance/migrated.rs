//! Law 6 for migrated sessions: to which user they belong, and which a device may claim.

use super::kit::{
    Nodes, Outcome, at, end_one, ensure, ensure_eq, ids, sign_in_all, signed_in, stored,
};
use crate::session::{EndReason, SessionId};
use crate::store::{SecretRotation, SessionStore};
use crate::testing::sample::{self, Login};

cases! { 6:
    law_6_unclaimed_sessions_are_migrated_ones_of_one_user_and_provider_without_a_cookie,
    law_6_migrated_sessions_are_listed_for_one_user_and_provider_claimed_or_not,
    law_6_an_ended_session_is_not_listed_as_migrated,
    law_6_a_session_is_not_held_without_a_migration,
}

/// Sessions that must not be listed.
fn strangers() -> [Login; 5] {
    [
        Login::of("ann", "okta"),
        Login::of("ann", "okta").connection(),
        Login::of("ann", "okta ").imported(),
        Login::of("ann", "mcp:tool").imported(),
        Login::of("Ann", "okta").imported(),
    ]
}

/// Creates a migrated session with a cookie of the other system.
fn with_cookie() -> Login {
    Login { secret: Some(sample::secret()), ..Login::of("ann", "okta").imported() }
}

async fn unclaimed(store: &dyn SessionStore) -> Outcome<Vec<SessionId>> {
    let found = store.list_unclaimed(&sample::user("ann"), &sample::provider("okta")).await?;
    Ok(ids(&found))
}

async fn migrated(store: &dyn SessionStore) -> Outcome<Vec<SessionId>> {
    let found = store.list_migrated(&sample::user("ann"), &sample::provider("okta")).await?;
    Ok(ids(&found))
}

/// Gives a session its first secret, as the first device that claims it does.
async fn claim(store: &dyn SessionStore, id: SessionId) -> Outcome {
    let to = sample::secret().digest();
    let rotation = SecretRotation::new(id, None, to, at(1));
    ensure(store.rotate_secret(rotation).await?, "the first device claims it")
}

async fn law_6_unclaimed_sessions_are_migrated_ones_of_one_user_and_provider_without_a_cookie(
    nodes: Nodes,
) -> Outcome {
    let migrated = [0, 1, 2].map(|second| Login::of("ann", "okta").at(at(second)).imported());
    sign_in_all(nodes.first(), &strangers()).await?;
    sign_in_all(nodes.first(), &migrated).await?;
    sign_in_all(nodes.first(), &[with_cookie()]).await?;
    let [old, middle, new] = migrated.each_ref().map(Login::id);
    nodes.first().touch(old, at(500)).await?;
    let found = unclaimed(nodes.other()).await?;
    ensure_eq(found, vec![new, middle, old], "the unclaimed ones, last admitted first")?;
    claim(nodes.first(), middle).await?;
    ensure_eq(
        unclaimed(nodes.other()).await?,
        vec![new, old],
        "a claimed session is no longer listed",
    )?;
    let listed =
        nodes.other().list_unclaimed(&sample::user("ann"), &sample::provider("okta")).await?;
    let row = stored(nodes.first(), new).await?;
    ensure_eq(listed.first(), Some(&row.session), "the session is returned as it is stored")
}

async fn law_6_migrated_sessions_are_listed_for_one_user_and_provider_claimed_or_not(
    nodes: Nodes,
) -> Outcome {
    let cookie = with_cookie();
    let bare = Login::of("ann", "okta").at(at(1)).imported();
    sign_in_all(nodes.first(), &strangers()).await?;
    sign_in_all(nodes.first(), &[cookie.clone(), bare.clone()]).await?;
    let both = vec![bare.id(), cookie.id()];
    ensure_eq(migrated(nodes.other()).await?, both.clone(), "with and without a cookie")?;
    claim(nodes.other(), bare.id()).await?;
    ensure_eq(migrated(nodes.first()).await?, both, "a claim does not change the list")
}

async fn law_6_an_ended_session_is_not_listed_as_migrated(nodes: Nodes) -> Outcome {
    let [stays, goes] = [0, 1].map(|second| Login::of("ann", "okta").at(at(second)).imported());
    sign_in_all(nodes.first(), &[stays.clone(), goes.clone()]).await?;
    end_one(nodes.other(), goes.id(), EndReason::RevokedByUser, at(5)).await?;
    ensure_eq(unclaimed(nodes.first()).await?, vec![stays.id()], "one unclaimed session is left")?;
    ensure_eq(migrated(nodes.first()).await?, vec![stays.id()], "one migrated session is left")
}

async fn law_6_a_session_is_not_held_without_a_migration(nodes: Nodes) -> Outcome {
    for login in [Login::of("ann", "okta"), Login::of("ann", "okta").imported(), with_cookie()] {
        signed_in(nodes.first(), &login).await?;
        ensure(!nodes.other().is_held(login.id()).await?, "no migration brought it")?;
    }
    let absent = Login::of("ann", "okta").imported();
    ensure(!nodes.first().is_held(absent.id()).await?, "an absent session is not held")
}

//! Law 10: tokens at rest are sealed, and a store keeps them unchanged.

use super::kit::{Nodes, Outcome, at, end_one, ensure, ensure_eq, sign_in_all, sorted, stored};
use crate::policy::Verdict;
use crate::session::{EndReason, SessionId};
use crate::store::{Reseal, SessionStore, StoredSession};
use crate::testing::sample::{self, Login};
use crate::token::{Keyring, TokenSet};

cases! { 10:
    law_10_sealed_tokens_are_stored_unchanged,
    law_10_a_session_without_refresh_token_has_none,
    law_10_one_live_session_is_returned_for_each_key,
    law_10_sessions_sealed_with_other_keys_are_listed_in_pages,
    law_10_resealing_moves_to_the_new_key,
}

/// Admits a login whose tokens this keyring seals.
async fn put(store: &dyn SessionStore, login: &Login, keyring: &Keyring) -> Outcome<SessionId> {
    let admit = |_: &[_]| Verdict::Admit(Vec::new());
    store.admit(login.new_session_sealed_by(keyring), &admit).await?;
    Ok(login.id())
}

async fn put_some(
    store: &dyn SessionStore,
    count: usize,
    keyring: &Keyring,
) -> Outcome<Vec<SessionId>> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(put(store, &Login::of("ann", "okta"), keyring).await?);
    }
    Ok(sorted(ids))
}

fn key_id(row: &StoredSession) -> Option<&str> {
    row.tokens.as_ref().and_then(|tokens| tokens.tokens.key_id())
}

async fn law_10_sealed_tokens_are_stored_unchanged(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    let new = login.new_session();
    let admit = |_: &[_]| Verdict::Admit(Vec::new());
    nodes.first().admit(new.clone(), &admit).await?;
    let row = stored(nodes.other(), login.id()).await?;
    ensure_eq(row.tokens.as_ref(), Some(&new.tokens), "byte for byte")?;
    let session = &row.session;
    let opened = row.tokens.as_ref().and_then(|tokens| {
        TokenSet::open(tokens, sample::keyring(), session.id, &session.user, &session.provider).ok()
    });
    let opened = opened.as_ref().map(|t| (t.access_token(), t.refresh_token(), t.id_token()));
    let tokens = &login.tokens;
    let expected = (tokens.access_token(), tokens.refresh_token(), tokens.id_token());
    ensure(opened == Some(expected), "it opens in its row")
}

async fn law_10_a_session_without_refresh_token_has_none(nodes: Nodes) -> Outcome {
    let minute = std::time::Duration::from_secs(60);
    let response = crate::token::TokenResponse::bearer("at").with_expires_in(minute);
    let tokens = TokenSet::new(response, at(0), minute);
    let login = Login::of("ann", "okta").with_tokens(tokens);
    sign_in_all(nodes.first(), std::slice::from_ref(&login)).await?;
    let tokens = stored(nodes.other(), login.id()).await?.tokens;
    ensure(tokens.is_some_and(|tokens| tokens.refresh_token.is_none()), "there is no refresh token")
}

async fn law_10_one_live_session_is_returned_for_each_key(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    ensure_eq(store.sample_per_key().await?, Vec::new(), "an empty store returns none")?;
    // Key ids are compared byte for byte too.
    for id in ["k1", "K1", "k2"] {
        put_some(store, 3, &sample::keyring_of(&[id])).await?;
    }
    let [over] = [put(store, &Login::of("ann", "okta"), &sample::keyring_of(&["ended"])).await?];
    end_one(store, over, EndReason::SignedOut, at(5)).await?;
    let shown = nodes.other().sample_per_key().await?;
    let mut keys: Vec<_> = shown.iter().map(|row| key_id(row).unwrap_or_default()).collect();
    keys.sort_unstable();
    ensure_eq(keys, vec!["K1", "k1", "k2"], "one for each key that is in use")?;
    ensure(shown.iter().all(|row| row.session.is_live()), "each is live")?;
    for row in shown {
        ensure_eq(stored(store, row.session.id).await?, row, "the complete row")?;
    }
    Ok(())
}

async fn law_10_sessions_sealed_with_other_keys_are_listed_in_pages(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let old = put_some(store, 4, &sample::keyring_of(&["old"])).await?;
    let upper = put_some(store, 1, &sample::keyring_of(&["NEW"])).await?;
    put_some(store, 3, &sample::keyring_of(&["new"])).await?;
    let over = put(store, &Login::of("ann", "okta"), &sample::keyring_of(&["old"])).await?;
    end_one(store, over, EndReason::SignedOut, at(5)).await?;

    let expected = sorted([old, upper].concat());
    let mut found = Vec::new();
    let mut after = None;
    for _ in 0..10 {
        let page = nodes.other().list_sealed_with_other_key("new", after, 2).await?;
        ensure(page.len() <= 2, "a page is within the limit")?;
        found.extend(page.iter().map(|row| row.session.id));
        after = found.last().copied();
    }
    ensure_eq(found, expected, "each live session once, in the order of ids")
}

async fn law_10_resealing_moves_to_the_new_key(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    put_some(store, 5, &sample::keyring_of(&["old"])).await?;
    let new = sample::keyring_of(&["new"]);
    for row in store.list_sealed_with_other_key("new", None, 100).await? {
        let tokens = sample::sealed_by(&new, &sample::tokens(), &row.session);
        let resealed = Reseal::new(row.session.id, row.session.revision, tokens);
        ensure_eq(store.reseal(vec![resealed]).await?, 1, "the revision matches")?;
    }
    let left = nodes.other().list_sealed_with_other_key("new", None, 100).await?;
    ensure_eq(left, Vec::new(), "the old key is no longer in use")?;
    let shown = nodes.other().sample_per_key().await?;
    let keys: Vec<_> = shown.iter().map(key_id).collect();
    ensure_eq(keys, vec![Some("new")], "only the new key is in use")
}

//! Law 2: a login ends nothing else.

use super::kit::{
    Nodes, Outcome, ROUNDS, admit, at, capped, digest, end_one, ended_ids, ensure, ensure_eq,
    limited, outbox, sign_in, sign_in_all, signed_in, stored, token_write, unlimited,
};
use crate::policy::{Limit, OnFull};
use crate::session::EndReason;
use crate::store::{Admission, Lease, PreviousDigest, SecretRotation, SessionStore, StoredSession};
use crate::testing::sample::{self, Login};

cases! { 2:
    law_2_all_other_sessions_stay_byte_for_byte,
    law_2_an_eviction_leaves_the_rest_byte_for_byte,
    law_2_the_browsers_own_session_is_superseded,
    law_2_a_previous_cookie_supersedes_its_session,
    law_2_a_cookie_that_is_no_longer_accepted_supersedes_nothing,
    law_2_a_session_of_another_user_or_provider_is_superseded,
    law_2_superseding_at_the_cap_evicts_no_session,
    law_2_an_ended_or_unknown_cookie_supersedes_nothing,
    law_2_a_refusal_changes_nothing,
    law_2_a_connection_has_no_cookie_and_ends_nothing,
    law_2_of_two_logins_in_one_browser_one_supersedes,
}

async fn rows(store: &dyn SessionStore, logins: &[Login]) -> Outcome<Vec<StoredSession>> {
    let mut rows = Vec::new();
    for login in logins {
        rows.push(stored(store, login.id()).await?);
    }
    Ok(rows)
}

/// Rotates the secret of a session; returns the new one.
async fn rotate(store: &dyn SessionStore, login: &Login) -> Outcome<Login> {
    let renewed = Login { secret: Some(sample::secret()), ..login.clone() };
    let old = digest(login)?;
    let previous = PreviousDigest { digest: old, rotated_at: at(5), confirmed_at: None };
    let rotation = SecretRotation::new(login.id(), Some(old), digest(&renewed)?, at(5))
        .with_previous(Some(previous));
    ensure(store.rotate_secret(rotation).await?, "a secret rotates")?;
    Ok(renewed)
}

async fn law_2_all_other_sessions_stay_byte_for_byte(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let others = [
        Login::of("ann", "okta").device("Laptop"),
        Login::of("ann", "google"),
        Login::of("ann", "okta").subject(Some("another")),
        Login::of("ann", "mcp:tool").connection(),
        Login::of("ben", "okta"),
        Login::of("ann", "okta").at(at(1)),
    ];
    sign_in_all(store, &others).await?;
    // Rows in all states: renewed, touched, leased, rotated, ended.
    let [renewed, touched, leased, _, rotated, ended] = &others;
    store.write_tokens(token_write(&renewed.session, at(2))).await?;
    store.touch(touched.id(), at(3)).await?;
    store.claim_lease(leased.id(), None, &Lease::new(std::time::Duration::from_secs(30))).await?;
    let _ = rotate(store, rotated).await?;
    end_one(store, ended.id(), EndReason::SignedOut, at(6)).await?;
    let before = rows(store, &others).await?;

    let new = Login::of("ann", "okta").at(at(60));
    ensure(sign_in(nodes.other(), &new, &unlimited()?).await?.is_empty(), "no session ends")?;
    ensure_eq(rows(store, &others).await?, before, "the other sessions do not change (F1)")
}

async fn law_2_an_eviction_leaves_the_rest_byte_for_byte(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let oldest = Login::of("ann", "okta");
    let others = [1, 2, 3].map(|second| Login::of("ann", "okta").at(at(second)));
    sign_in_all(store, std::slice::from_ref(&oldest)).await?;
    sign_in_all(store, &others).await?;
    let before = rows(store, &others).await?;
    let new = Login::of("ann", "okta").at(at(60));
    let ended = sign_in(store, &new, &capped(4, OnFull::EvictOldest)?).await?;
    ensure_eq(ended_ids(&ended), vec![oldest.id()], "the oldest session ends")?;
    ensure_eq(rows(store, &others).await?, before, "the other sessions do not change")
}

async fn law_2_the_browsers_own_session_is_superseded(nodes: Nodes) -> Outcome {
    let old = Login::of("ann", "okta");
    signed_in(nodes.first(), &old).await?;
    let new = Login::of("ann", "okta").at(at(60)).superseding(old.digest());
    let ended = sign_in(nodes.first(), &new, &unlimited()?).await?;
    let told: Vec<_> = ended.iter().map(|e| (e.id, e.reason, e.digests.current)).collect();
    let expected = vec![(old.id(), EndReason::Superseded, old.digest())];
    ensure_eq(told, expected, "the old session of the browser ends (S2)")?;
    let row = stored(nodes.other(), old.id()).await?;
    let end = row.session.ended.map(|ended| (ended.at, ended.reason));
    ensure_eq(end, Some((at(60), EndReason::Superseded)), "with reason and time")?;
    ensure_eq(row.tokens, None, "its tokens are removed")
}

async fn law_2_a_previous_cookie_supersedes_its_session(nodes: Nodes) -> Outcome {
    let old = Login::of("ann", "okta");
    signed_in(nodes.first(), &old).await?;
    let rotated = rotate(nodes.first(), &old).await?;
    let new = Login::of("ann", "okta").at(at(60)).superseding(old.digest());
    let ended = sign_in(nodes.first(), &new, &unlimited()?).await?;
    ensure_eq(ended_ids(&ended), vec![old.id()], "the previous digest finds the session")?;
    let known = ended.first().map(|ended| ended.digests);
    let known = known.map(|d| (d.current, d.previous.map(|p| p.digest)));
    ensure_eq(known, Some((rotated.digest(), old.digest())), "both digests are reported")
}

async fn law_2_a_cookie_that_is_no_longer_accepted_supersedes_nothing(nodes: Nodes) -> Outcome {
    // The new cookie was presented, or not; the login is of the same partition, or of another.
    for (is_confirmed, user) in [(true, "ann"), (true, "ben"), (false, "ann"), (false, "ben")] {
        let old = Login::of("ann", "okta");
        signed_in(nodes.first(), &old).await?;
        let rotated = rotate(nodes.first(), &old).await?;
        let after = if is_confirmed { 30 } else { 600 };
        if let Some(current) = rotated.digest().filter(|_| is_confirmed) {
            nodes.first().confirm_rotation(old.id(), &current, at(1)).await?;
        }
        let before = stored(nodes.first(), old.id()).await?;
        let rotated_at = before.digests.previous.map_or(at(0), |previous| previous.rotated_at);
        let over = rotated_at.max(at(1)) + std::time::Duration::from_secs(after);
        let new = Login::of(user, "okta").at(over).superseding(old.digest());
        let ended = sign_in(nodes.other(), &new, &unlimited()?).await?;
        ensure_eq(ended_ids(&ended), Vec::new(), "its browser has had a new cookie for long")?;
        ensure_eq(stored(nodes.first(), old.id()).await?, before, "the session stays")?;
        end_one(nodes.first(), old.id(), EndReason::SignedOut, at(5)).await?;
    }
    Ok(())
}

async fn law_2_a_session_of_another_user_or_provider_is_superseded(nodes: Nodes) -> Outcome {
    for other in [Login::of("ben", "okta"), Login::of("ann", "google")] {
        signed_in(nodes.first(), &other).await?;
        let new = Login::of("ann", "okta").at(at(60)).superseding(other.digest());
        let ended = sign_in(nodes.first(), &new, &unlimited()?).await?;
        let told: Vec<_> = ended.into_iter().map(|e| (e.id, e.user, e.provider)).collect();
        let session = other.session;
        let expected = vec![(session.id, session.user, session.provider)];
        ensure_eq(told, expected, "one browser holds one session")?;
    }
    Ok(())
}

async fn law_2_superseding_at_the_cap_evicts_no_session(nodes: Nodes) -> Outcome {
    let logins = [0, 1, 2].map(|second| Login::of("ann", "okta").at(at(second)));
    sign_in_all(nodes.first(), &logins).await?;
    let [oldest, own, newest] = &logins;
    for on_full in [OnFull::EvictOldest, OnFull::EvictLeastRecentlyUsed, OnFull::Reject] {
        let held = nodes.first().list(&own.session.user).await?;
        let held = held.iter().find(|s| s.id != oldest.id() && s.id != newest.id());
        let held = held.map(|session| session.id).unwrap_or(own.id());
        let cookie = stored(nodes.first(), held).await?.digests.current;
        let new = Login::of("ann", "okta").at(at(60)).superseding(cookie);
        let ended = sign_in(nodes.first(), &new, &capped(3, on_full)?).await?;
        ensure_eq(ended_ids(&ended), vec![held], "signing in again ends no other session (F21)")?;
    }
    Ok(())
}

async fn law_2_an_ended_or_unknown_cookie_supersedes_nothing(nodes: Nodes) -> Outcome {
    let old = Login::of("ann", "okta");
    signed_in(nodes.first(), &old).await?;
    end_one(nodes.first(), old.id(), EndReason::SignedOut, at(5)).await?;
    let before = stored(nodes.first(), old.id()).await?;
    for cookie in [old.digest(), Some(sample::secret().digest())] {
        let new = Login::of("ann", "okta").at(at(60)).superseding(cookie);
        ensure(sign_in(nodes.first(), &new, &unlimited()?).await?.is_empty(), "no session ends")?;
    }
    ensure_eq(stored(nodes.first(), old.id()).await?, before, "the first reason stays")
}

async fn law_2_a_refusal_changes_nothing(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let others = [0, 1].map(|second| Login::of("ann", "okta").at(at(second)));
    let own = Login::of("ann", "google");
    sign_in_all(store, &others).await?;
    signed_in(store, &own).await?;
    let known = [others.as_slice(), std::slice::from_ref(&own)].concat();
    let before = rows(store, &known).await?;

    // The browser holds a session of another provider, which does not count here.
    let refused = Login::of("ann", "okta").at(at(60)).superseding(own.digest());
    let admission = admit(store, &refused, &capped(2, OnFull::Reject)?).await?;
    ensure_eq(admission, Admission::Refused { live: 2 }, "the cap refuses")?;
    ensure_eq(rows(nodes.other(), &known).await?, before, "no row changes, superseded or not")?;
    ensure_eq(store.find(refused.id()).await?, None, "the refused session does not exist")?;
    ensure_eq(
        store.find_by_digest(&digest(&refused)?).await?,
        None,
        "its cookie finds no session",
    )?;
    ensure_eq(store.events(refused.id()).await?, Vec::new(), "no event is recorded")?;
    ensure_eq(store.events(own.id()).await?.len(), 1, "nor for the session of the browser")?;
    ensure_eq(outbox(store).await?, Vec::new(), "nothing is to be revoked")
}

async fn law_2_a_connection_has_no_cookie_and_ends_nothing(nodes: Nodes) -> Outcome {
    let person = Login::of("ann", "okta");
    signed_in(nodes.first(), &person).await?;
    let tools = ["mcp:github", "mcp:jira"].map(|name| Login::of("ann", name).connection());
    for tool in &tools {
        let ended = sign_in(nodes.first(), tool, &limited(Limit::Replace)?).await?;
        ensure_eq(ended, Vec::new(), "sessions of other providers stay")?;
        let row = stored(nodes.other(), tool.id()).await?;
        ensure_eq(row.digests.current, None, "there is no cookie")?;
        ensure_eq(row.session, tool.session.clone(), "the session is stored as it was given")?;
    }
    ensure_eq(nodes.first().list(&person.session.user).await?.len(), 3, "all sessions are live")
}

async fn law_2_of_two_logins_in_one_browser_one_supersedes(nodes: Nodes) -> Outcome {
    for round in 0..ROUNDS {
        let old = Login::of(&format!("user-{round}"), "okta");
        signed_in(nodes.first(), &old).await?;
        let login = || Login::of(old.session.user.as_str(), "okta").superseding(old.digest());
        let results = nodes
            .at_once((0..8).map(|_| login()).collect(), |node, login| async move {
                sign_in(&*node, &login, &unlimited()?).await
            })
            .await?;
        let ended: Vec<_> = results.iter().flatten().map(|ended| ended.id).collect();
        ensure_eq(ended, vec![old.id()], "the old session ends once")?;
        let left = nodes.first().list(&old.session.user).await?.len();
        ensure_eq(left, 8, "every login is admitted")?;
    }
    Ok(())
}

//! Law 6: lookups are bound, and names are compared byte for byte.

use super::kit::{
    Nodes, Outcome, at, capped, digest, ensure, ensure_eq, ids, live_sessions, sign_in,
    sign_in_all, signed_in, sorted, stored,
};
use crate::policy::OnFull;
use crate::session::{EndReason, ProviderLogout, ProviderName, UserId};
use crate::store::EndTarget;
use crate::testing::sample::{self, Login};

cases! { 6:
    law_6_a_cookie_finds_its_session_and_no_other,
    law_6_what_is_unknown_is_none,
    law_6_the_last_admitted_is_listed_first,
    law_6_one_session_is_ended_for_its_user_only,
    law_6_user_ids_are_compared_byte_for_byte,
    law_6_provider_names_are_compared_byte_for_byte,
    law_6_subjects_are_compared_byte_for_byte,
}

/// Texts that the collation of a database may confuse: by case, padding, accents, composition, width
/// or ligature, or as a pattern.
const ALIKE: [&str; 14] = [
    "google",
    "Google",
    "GOOGLE",
    "google ",
    " google",
    "goögle",
    "go\u{f6}g\u{301}le",
    "goo\u{308}gle",
    "ｇoogle",
    "goog_e",
    "goog%",
    "googl\u{e9}",
    "stra\u{df}e",
    "strasse",
];

async fn law_6_a_cookie_finds_its_session_and_no_other(nodes: Nodes) -> Outcome {
    let logins = [Login::of("ann", "okta"), Login::of("ann", "okta"), Login::of("ben", "okta")];
    sign_in_all(nodes.first(), &logins).await?;
    for login in &logins {
        let found = nodes.other().find_by_digest(&digest(login)?).await?;
        let by_id = stored(nodes.first(), login.id()).await?;
        ensure_eq(found, Some(by_id.clone()), "its cookie and its id find the same row")?;
        ensure_eq(by_id.session, login.session.clone(), "the session is stored as it was given")?;
        ensure_eq(by_id.digests.current, login.digest(), "with its digest")?;
    }
    Ok(())
}

async fn law_6_what_is_unknown_is_none(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    signed_in(store, &Login::of("ann", "mcp:tool").connection()).await?;
    let absent = Login::of("ben", "okta");
    ensure_eq(store.find_by_digest(&digest(&absent)?).await?, None, "an unknown cookie (S3)")?;
    ensure_eq(store.find(absent.id()).await?, None, "an unknown id")?;
    ensure_eq(store.list(&absent.session.user).await?, Vec::new(), "an unknown user")?;
    ensure_eq(store.events(absent.id()).await?, Vec::new(), "no events of an unknown session")?;
    let live = store.count_live(&absent.new_session().partition()).await?;
    ensure_eq(live, 0, "an unknown partition has no live session")
}

async fn law_6_the_last_admitted_is_listed_first(nodes: Nodes) -> Outcome {
    let logins = [0, 1, 2, 3].map(|second| Login::of("ann", "okta").at(at(second)));
    sign_in_all(nodes.first(), &logins).await?;
    sign_in_all(nodes.first(), &[Login::of("ben", "okta")]).await?;
    let [first, ..] = &logins;
    nodes.first().touch(first.id(), at(500)).await?;
    let listed = ids(&nodes.other().list(&first.session.user).await?);
    let expected: Vec<_> = logins.iter().rev().map(Login::id).collect();
    ensure_eq(listed, expected, "newest first, and only those of this user")
}

async fn law_6_one_session_is_ended_for_its_user_only(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    let before = signed_in(nodes.first(), &login).await?;
    let id = login.id();
    for stranger in ["ben", "Ann", "ann "] {
        let target = EndTarget::One { id, user: Some(sample::user(stranger)) };
        let ended = nodes.other().end(target, EndReason::RevokedByUser.into(), at(5)).await?;
        ensure_eq(ended, Vec::new(), "the session of another user counts as absent (S4)")?;
    }
    ensure_eq(stored(nodes.first(), id).await?, before, "it does not change")?;
    let target = EndTarget::One { id, user: Some(login.session.user) };
    let ended = nodes.other().end(target, EndReason::RevokedByUser.into(), at(5)).await?;
    ensure_eq(ended.len(), 1, "its own user ends it")
}

async fn law_6_user_ids_are_compared_byte_for_byte(nodes: Nodes) -> Outcome {
    let logins = ALIKE.map(|name| Login::of(name, "okta"));
    let policy = capped(1, OnFull::EvictOldest)?;
    for login in &logins {
        let ended = sign_in(nodes.first(), login, &policy).await?;
        ensure_eq(ended, Vec::new(), "similar user ids are different users")?;
    }
    for login in &logins {
        let listed = nodes.other().list(&login.session.user).await?;
        ensure_eq(listed, vec![login.session.clone()], "each user sees their own session")?;
    }
    for login in &logins {
        let user = UserId::clone(&login.session.user);
        let target = EndTarget::AllOf { user, provider: None };
        let ended = nodes.first().end(target, EndReason::RevokedByAdmin.into(), at(5)).await?;
        ensure_eq(ended.len(), 1, "each is ended alone")?;
    }
    Ok(())
}

async fn law_6_provider_names_are_compared_byte_for_byte(nodes: Nodes) -> Outcome {
    let logins = ALIKE.map(|name| Login::of("ann", name));
    let policy = capped(1, OnFull::EvictOldest)?;
    for login in &logins {
        let ended = sign_in(nodes.first(), login, &policy).await?;
        ensure_eq(ended, Vec::new(), "similar provider names are different providers")?;
    }
    for login in &logins {
        let told = live_sessions(nodes.other(), login).await?;
        let told: Vec<_> = told.iter().map(|occupant| occupant.id).collect();
        ensure_eq(told, vec![login.id()], "each is counted apart")?;
    }
    for login in &logins {
        let provider = Some(ProviderName::clone(&login.session.provider));
        let target = EndTarget::AllOf { user: login.session.user.clone(), provider };
        let ended = nodes.first().end(target, EndReason::RevokedByUser.into(), at(5)).await?;
        let ended: Vec<_> = ended.iter().map(|ended| ended.id).collect();
        ensure_eq(ended, vec![login.id()], "each is ended alone")?;
    }
    Ok(())
}

async fn law_6_subjects_are_compared_byte_for_byte(nodes: Nodes) -> Outcome {
    let logins = ALIKE.map(|name| Login::of("ann", "okta").subject(Some(name)).sid(name));
    sign_in_all(nodes.first(), &logins).await?;
    let issuer = || ProviderLogout::new(sample::ISSUER);
    let [by_subject, by_sid, rest @ ..] = &logins;
    let subject = by_subject.session.identity.subject.clone();
    let target = EndTarget::OfProvider(issuer().with_subject(subject));
    let ended = nodes.other().end(target, EndReason::ProviderLogout.into(), at(5)).await?;
    let ended: Vec<_> = ended.iter().map(|ended| ended.id).collect();
    ensure_eq(ended, vec![by_subject.id()], "one subject ends")?;
    let sid = by_sid.session.identity.sid.clone();
    let target = EndTarget::OfProvider(issuer().with_sid(sid));
    let ended = nodes.other().end(target, EndReason::ProviderLogout.into(), at(5)).await?;
    let ended: Vec<_> = ended.iter().map(|ended| ended.id).collect();
    ensure_eq(ended, vec![by_sid.id()], "one session of the provider ends")?;
    let left = nodes.first().list(&by_sid.session.user).await?;
    let expected = sorted(rest.iter().map(Login::id).collect());
    ensure_eq(sorted(ids(&left)), expected, "similar ones stay")?;
    let left = rest.first().and_then(|login| login.session.identity.subject.clone());
    let upper = ProviderLogout::new(sample::ISSUER.to_uppercase()).with_subject(left);
    let upper = EndTarget::OfProvider(upper);
    let ended = nodes.first().end(upper, EndReason::ProviderLogout.into(), at(5)).await?;
    ensure(ended.is_empty(), "a similar issuer is another issuer")
}

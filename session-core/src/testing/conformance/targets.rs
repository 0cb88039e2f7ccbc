//! Law 11 for each target: exactly the named sessions end, and their refresh tokens move out.

use super::kit::{
    Nodes, Outcome, at, capped, ended_ids, ensure, ensure_eq, limited, outbox, sign_in,
    sign_in_all, signed_in, sorted, stored,
};
use crate::policy::{Limit, OnFull, SessionPolicy};
use crate::session::{EndReason, ProviderLogout, SessionId};
use crate::store::EndTarget;
use crate::testing::sample::{self, Login};
use crate::token::{TokenResponse, TokenSet};

cases! { 11:
    law_11_all_of_a_user_end,
    law_11_all_of_one_provider_end,
    law_11_all_others_end,
    law_11_one_ends,
    law_11_a_session_of_the_provider_ends,
    law_11_a_subject_of_the_provider_ends,
    law_11_of_a_subject_only_earlier_sessions_end,
    law_11_a_user_of_the_provider_ends,
    law_11_a_logout_without_subject_and_sid_ends_no_session,
    law_11_an_unused_or_unchanged_session_ends,
    law_11_many_unused_sessions_end_at_once,
    law_11_sessions_ended_by_a_login_move_out_once,
    law_11_sessions_timed_out_at_a_login_move_out_once,
    law_11_without_a_refresh_token_nothing_moves_out,
    law_11_racing_ends_move_one_token_out,
}

/// Sessions of two users and two providers, with and without a cookie.
fn logins() -> [Login; 6] {
    [
        Login::of("ann", "okta").sid("sid-1"),
        Login::of("ann", "okta").sid("sid-2").at(at(1)),
        Login::of("ann", "google").issuer("https://other.example").sid("sid-1"),
        // The same user, but the connection of a tool client (B4).
        Login::of("ann", "mcp:tool").connection(),
        Login::of("ben", "okta").sid("sid-3").subject(Some("ben-subject")),
        Login::of("ben", "google").issuer("https://other.example").subject(None),
    ]
}

/// Ends a target; checks that exactly the named sessions end, and that each refresh token moves out
/// once.
async fn ensure_ends(nodes: &Nodes, all: &[Login], target: EndTarget, named: &[&Login]) -> Outcome {
    sign_in_all(nodes.first(), all).await?;
    let mut before = Vec::new();
    for login in all {
        before.push(stored(nodes.first(), login.id()).await?);
    }
    let ended = nodes.other().end(target, EndReason::RevokedByUser.into(), at(9)).await?;
    let expected = sorted(named.iter().map(|login| login.id()).collect());
    ensure_eq(ended_ids(&ended), expected.clone(), "exactly the named sessions end")?;
    for row in before {
        let id = row.session.id;
        let now = stored(nodes.first(), id).await?;
        if expected.contains(&id) {
            ensure_eq(now.tokens, None, "their tokens are removed from the row")?;
        } else {
            ensure_eq(now, row, "all others stay, byte for byte (L5)")?;
        }
    }
    ensure_moved_out(nodes, all, &expected).await
}

async fn ensure_moved_out(nodes: &Nodes, all: &[Login], ended: &[SessionId]) -> Outcome {
    let out = outbox(nodes.first()).await?;
    let out_ids = sorted(out.iter().map(|revocation| revocation.session).collect());
    ensure_eq(out_ids, ended.to_vec(), "each refresh token moves out once")?;
    for revocation in out {
        let of = all.iter().find(|login| login.id() == revocation.session);
        let partition = of.map(|login| login.new_session().partition());
        ensure_eq(Some(revocation.partition), partition, "with the partition of its session")?;
    }
    Ok(())
}

async fn law_11_all_of_a_user_end(nodes: Nodes) -> Outcome {
    let all = logins();
    let [one, two, other, tool, ..] = &all;
    let target = EndTarget::AllOf { user: sample::user("ann"), provider: None };
    ensure_ends(&nodes, &all, target, &[one, two, other, tool]).await
}

async fn law_11_all_of_one_provider_end(nodes: Nodes) -> Outcome {
    let all = logins();
    let [one, two, ..] = &all;
    let provider = Some(sample::provider("okta"));
    let target = EndTarget::AllOf { user: sample::user("ann"), provider };
    ensure_ends(&nodes, &all, target, &[one, two]).await
}

async fn law_11_all_others_end(nodes: Nodes) -> Outcome {
    let all = logins();
    let [one, two, other, ..] = &all;
    let target = EndTarget::Others { user: sample::user("ann"), except: two.id() };
    ensure_ends(&nodes, &all, target, &[one, other]).await
}

async fn law_11_one_ends(nodes: Nodes) -> Outcome {
    let all = logins();
    let [_, two, ..] = &all;
    let target = EndTarget::One { id: two.id(), user: Some(sample::user("ann")) };
    ensure_ends(&nodes, &all, target, &[two]).await
}

async fn law_11_a_session_of_the_provider_ends(nodes: Nodes) -> Outcome {
    let all = logins();
    let [one, ..] = &all;
    let of_ann = by_issuer().with_subject(one.session.identity.subject.clone());
    let target = EndTarget::OfProvider(of_ann.with_sid("sid-1".to_owned()));
    ensure_ends(&nodes, &all, target, &[one]).await?;
    let of_ben = by_issuer().with_subject(sample::subject("ben-subject"));
    let mismatch = EndTarget::OfProvider(of_ben.with_sid("sid-2".to_owned()));
    let ended = nodes.first().end(mismatch, EndReason::ProviderLogout.into(), at(9)).await?;
    ensure_eq(ended, Vec::new(), "if both are named, both must match (B4)")
}

async fn law_11_a_subject_of_the_provider_ends(nodes: Nodes) -> Outcome {
    let all = logins();
    let [one, two, ..] = &all;
    let of_ann = by_issuer().with_subject(one.session.identity.subject.clone());
    ensure_ends(&nodes, &all, EndTarget::OfProvider(of_ann), &[one, two]).await
}

async fn law_11_of_a_subject_only_earlier_sessions_end(nodes: Nodes) -> Outcome {
    let [early, same, late] = [10, 20, 21].map(|second| Login::of("ann", "okta").at(at(second)));
    let all = [early, same, late];
    let [early, same, ..] = &all;
    let of_ann = by_issuer().with_subject(early.session.identity.subject.clone());
    let target = EndTarget::OfProvider(of_ann.created_until(at(20)));
    ensure_ends(&nodes, &all, target, &[early, same]).await
}

async fn law_11_a_user_of_the_provider_ends(nodes: Nodes) -> Outcome {
    let all = logins();
    let [one, two, ..] = &all;
    let target = EndTarget::OfProvider(by_issuer().with_user(sample::user("ann")));
    ensure_ends(&nodes, &all, target, &[one, two]).await
}

fn by_issuer() -> ProviderLogout {
    ProviderLogout::new(sample::ISSUER)
}

async fn law_11_a_logout_without_subject_and_sid_ends_no_session(nodes: Nodes) -> Outcome {
    let all = logins();
    ensure_ends(&nodes, &all, EndTarget::OfProvider(by_issuer()), &[]).await?;
    let at_no_time = by_issuer().created_until(at(1_000));
    let ended = nodes
        .first()
        .end(EndTarget::OfProvider(at_no_time), EndReason::ProviderLogout.into(), at(9))
        .await?;
    ensure_eq(ended, Vec::new(), "a time alone names no session")
}

async fn law_11_an_unused_or_unchanged_session_ends(nodes: Nodes) -> Outcome {
    let all = logins();
    let [one, two, ..] = &all;
    let last_seen_at = one.session.last_seen_at;
    let target = EndTarget::Unused { sessions: vec![(one.id(), last_seen_at)] };
    ensure_ends(&nodes, &all, target, &[one]).await?;
    for revocation in outbox(nodes.first()).await? {
        nodes.first().complete_revocation(revocation.id).await?;
    }
    let target = EndTarget::Unchanged { id: two.id(), revision: two.session.revision };
    nodes.first().end(target, EndReason::RenewalRefused.into(), at(9)).await?;
    let out = outbox(nodes.first()).await?;
    let out: Vec<_> = out.iter().map(|revocation| revocation.session).collect();
    ensure(out.iter().all(|id| *id != one.id()), "a completed revocation stays gone")?;
    ensure_eq(out, Vec::from([two.id()]), "the second one is claimed")
}

async fn law_11_many_unused_sessions_end_at_once(nodes: Nodes) -> Outcome {
    let all = logins();
    let [one, two, three, four, ..] = &all;
    let read = |login: &Login| (login.id(), login.session.last_seen_at);
    // The last one was used since, by the time that is named; a session may be named twice.
    let used = (four.id(), four.session.last_seen_at + std::time::Duration::from_secs(1));
    let sessions = vec![read(one), read(two), read(three), used, read(one)];
    ensure_ends(&nodes, &all, EndTarget::Unused { sessions }, &[one, two, three]).await?;
    let none = EndTarget::Unused { sessions: Vec::new() };
    let ended = nodes.first().end(none, EndReason::Idle.into(), at(9)).await?;
    ensure_eq(ended, Vec::new(), "no session is named")
}

async fn law_11_sessions_ended_by_a_login_move_out_once(nodes: Nodes) -> Outcome {
    let policies = [capped(1, OnFull::EvictOldest)?, limited(Limit::Replace)?];
    let mut known: Vec<Login> = Vec::new();
    let mut over: Vec<SessionId> = Vec::new();
    for policy in policies {
        let held = Login::of("ann", "google");
        let before = Login::of("ben", "okta").at(at(1));
        signed_in(nodes.first(), &held).await?;
        signed_in(nodes.first(), &before).await?;
        let new = Login::of("ben", "okta").at(at(60)).superseding(held.digest());
        let ended = sign_in(nodes.other(), &new, &policy).await?;
        over.extend(ended.iter().map(|ended| ended.id));
        known.extend([held, before, new]);
    }
    over.sort_unstable();
    ensure_eq(over.len(), 5, "superseded, evicted and replaced")?;
    ensure_moved_out(&nodes, &known, &over).await
}

async fn law_11_sessions_timed_out_at_a_login_move_out_once(nodes: Nodes) -> Outcome {
    let old = Login::of("ann", "okta");
    signed_in(nodes.first(), &old).await?;
    let policy = SessionPolicy::builder().idle_timeout(std::time::Duration::from_secs(60));
    let new = Login::of("ann", "okta").at(at(60));
    let ended = sign_in(nodes.first(), &new, &policy.build()?).await?;
    ensure_eq(ended_ids(&ended), vec![old.id()], "it leaves as idle")?;
    ensure_moved_out(&nodes, &[old.clone(), new], &[old.id()]).await
}

async fn law_11_without_a_refresh_token_nothing_moves_out(nodes: Nodes) -> Outcome {
    let minute = std::time::Duration::from_secs(60);
    let bare = TokenResponse::bearer("at").with_expires_in(minute);
    let tokens = TokenSet::new(bare, at(0), minute);
    let login = Login::of("ann", "okta").with_tokens(tokens);
    let target = EndTarget::One { id: login.id(), user: None };
    sign_in_all(nodes.first(), std::slice::from_ref(&login)).await?;
    let ended = nodes.first().end(target, EndReason::SignedOut.into(), at(9)).await?;
    ensure_eq(ended.len(), 1, "it ends")?;
    ensure_eq(stored(nodes.first(), login.id()).await?.tokens, None, "its tokens go")?;
    ensure_eq(outbox(nodes.other()).await?, Vec::new(), "and there is nothing to revoke")
}

async fn law_11_racing_ends_move_one_token_out(nodes: Nodes) -> Outcome {
    let all = logins();
    sign_in_all(nodes.first(), &all).await?;
    let ann = || sample::user("ann");
    let [one, two, ..] = &all;
    let targets = vec![
        EndTarget::AllOf { user: ann(), provider: None },
        EndTarget::AllOf { user: ann(), provider: Some(sample::provider("okta")) },
        EndTarget::Others { user: ann(), except: two.id() },
        EndTarget::One { id: one.id(), user: None },
        EndTarget::OfProvider(by_issuer().with_subject(one.session.identity.subject.clone())),
        EndTarget::AllOf { user: ann(), provider: None },
    ];
    let ended = nodes
        .at_once(targets, |node, target| async move {
            Ok(node.end(target, EndReason::SignedOut.into(), at(9)).await?)
        })
        .await?;
    let ended = ended_ids(&ended.concat());
    let expected = sorted(all.iter().take(4).map(Login::id).collect());
    ensure_eq(ended.clone(), expected, "each is told to have ended once")?;
    ensure_moved_out(&nodes, &all, &ended).await
}

//! Law 11: the outbox of revocations.

use std::collections::BTreeSet;
use std::time::Duration;

use super::kit::{
    Nodes, Outcome, at, end_one, ensure, ensure_eq, later, outbox, sign_in_all, signed_in, stored,
};
use crate::policy::{AdmittedSession, Eviction, Verdict};
use crate::session::{EndReason, Session};
use crate::store::{Admission, PendingRevocation, RevocationBacklog, RevocationId, SessionStore};
use crate::testing::sample::{self, Login};
use crate::token::{Keyring, Sealed};

cases! { 11:
    law_11_an_end_moves_the_sealed_refresh_token_to_the_outbox,
    law_11_an_entry_of_a_former_life_hinders_neither_an_end_nor_a_login,
    law_11_an_enqueued_revocation_is_returned_complete,
    law_11_a_claimed_revocation_is_hidden_until_its_time,
    law_11_the_longest_due_are_claimed_first,
    law_11_each_revocation_is_claimed_by_one_node,
    law_11_attempts_are_counted,
    law_11_a_postponed_revocation_is_due_at_its_new_time,
    law_11_a_completed_revocation_is_gone,
    law_11_the_backlog_is_counted_with_its_oldest_entry,
    law_11_live_sessions_of_a_grant_are_counted,
    law_11_resealing_reaches_the_outbox,
}

fn refresh_token(keyring: &Keyring, session: &Session) -> Outcome<Sealed> {
    let sealed = sample::sealed_by(keyring, &sample::tokens(), session).refresh_token;
    Ok(sealed.unwrap_or_else(|| Sealed::from_bytes(Vec::new())))
}

/// Creates a revocation that no end has added, due at this second.
fn revocation(keyring: &Keyring, second: u64) -> Outcome<PendingRevocation> {
    let login = Login::of("ann", "okta");
    Ok(PendingRevocation {
        id: RevocationId::generate(),
        session: login.id(),
        user: login.session.user.clone(),
        provider: login.session.provider.clone(),
        partition: login.new_session().partition(),
        refresh_token: refresh_token(keyring, &login.session)?,
        created_at: at(0),
        due_at: at(second),
        attempts: 0,
    })
}

/// Enqueues so many revocations, due one second after the other.
async fn enqueued(store: &dyn SessionStore, count: u64) -> Outcome<Vec<RevocationId>> {
    let mut ids = Vec::new();
    for second in 0..count {
        let revocation = revocation(sample::keyring(), second)?;
        ids.push(revocation.id);
        store.enqueue_revocation(revocation).await?;
    }
    Ok(ids)
}

fn ids(revocations: &[PendingRevocation]) -> Vec<RevocationId> {
    revocations.iter().map(|revocation| revocation.id).collect()
}

async fn law_11_an_end_moves_the_sealed_refresh_token_to_the_outbox(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    let before = signed_in(nodes.first(), &login).await?;
    ensure_eq(
        outbox(nodes.first()).await?,
        Vec::new(),
        "nothing is to be revoked while it is live",
    )?;
    end_one(nodes.first(), login.id(), EndReason::SignedOut, at(5)).await?;
    ensure_eq(stored(nodes.other(), login.id()).await?.tokens, None, "the tokens leave the row")?;
    let early = nodes.other().claim_revocations(at(4), later(), 10).await?;
    ensure_eq(early, Vec::new(), "it is not due before the end")?;
    let out = nodes.other().claim_revocations(at(5), at(5), 10).await?;
    let expected = out.iter().map(|revocation| PendingRevocation {
        id: revocation.id,
        session: login.id(),
        user: login.session.user.clone(),
        provider: login.session.provider.clone(),
        partition: login.new_session().partition(),
        refresh_token: before
            .tokens
            .as_ref()
            .and_then(|tokens| tokens.refresh_token.clone())
            .unwrap_or_else(|| Sealed::from_bytes(Vec::new())),
        created_at: at(5),
        due_at: revocation.due_at,
        attempts: revocation.attempts,
    });
    let expected: Vec<_> = expected.collect();
    ensure_eq(out.len(), 1, "one revocation is due")?;
    ensure_eq(out, expected, "the sealed value, with the session that held it")
}

/// A row that was removed comes again, as by a migration that is repeated: with its id, and while
/// the outbox still has its refresh token.
async fn law_11_an_entry_of_a_former_life_hinders_neither_an_end_nor_a_login(
    nodes: Nodes,
) -> Outcome {
    let store = nodes.first();
    let login = Login::of("ann", "okta");
    for life in 1..=2 {
        signed_in(store, &login).await?;
        end_one(store, login.id(), EndReason::SignedOut, at(life)).await?;
        ensure_eq(store.purge_ended(at(9), 10).await?, 1, "the row is removed")?;
    }
    signed_in(store, &login).await?;
    let next = Login::of("ann", "okta");
    let evict = |here: &[AdmittedSession]| Verdict::Admit(evictions_of(here));
    let Admission::Admitted { ended } = store.admit(next.new_session(), &evict).await? else {
        return ensure(false, "it is admitted");
    };
    ensure_eq(ended.len(), 1, "the session that came again is evicted")?;
    let entries = outbox(nodes.other()).await?;
    ensure_eq(entries.len(), 3, "each refresh token is in the outbox")?;
    ensure(entries.iter().all(|entry| entry.session == login.id()), "with its session")
}

fn evictions_of(here: &[AdmittedSession]) -> Vec<Eviction> {
    here.iter().map(|one| Eviction { id: one.id, reason: EndReason::Evicted }).collect()
}

async fn law_11_an_enqueued_revocation_is_returned_complete(nodes: Nodes) -> Outcome {
    let put = PendingRevocation { attempts: 3, ..revocation(sample::keyring(), 5)? };
    nodes.first().enqueue_revocation(put.clone()).await?;
    // Enqueued again, as by a caller that did not get the result.
    nodes.other().enqueue_revocation(put.clone()).await?;
    let out = nodes.other().claim_revocations(at(5), at(90), 10).await?;
    let expected = PendingRevocation { attempts: 4, due_at: at(90), ..put };
    ensure_eq(out, vec![expected], "with one more attempt, and its next time")
}

async fn law_11_a_claimed_revocation_is_hidden_until_its_time(nodes: Nodes) -> Outcome {
    enqueued(nodes.first(), 2).await?;
    let first = nodes.first().claim_revocations(at(10), at(60), 10).await?;
    ensure_eq(first.len(), 2, "both are due")?;
    let hidden = nodes.other().claim_revocations(at(59), at(120), 10).await?;
    ensure_eq(hidden, Vec::new(), "they are not claimed again")?;
    let again = nodes.other().claim_revocations(at(60), at(120), 10).await?;
    ensure_eq(again.len(), 2, "until their time, since the process that claimed them may be gone")
}

async fn law_11_the_longest_due_are_claimed_first(nodes: Nodes) -> Outcome {
    let put = enqueued(nodes.first(), 5).await?;
    let none = nodes.first().claim_revocations(at(9), at(60), 0).await?;
    ensure_eq(none, Vec::new(), "a limit of zero returns none")?;
    let (mut batches, expected) = (Vec::new(), [[0, 1].as_slice(), &[2, 3], &[4], &[]]);
    for _ in expected {
        let mut batch = ids(&nodes.other().claim_revocations(at(9), at(60), 2).await?);
        batch.sort_unstable();
        batches.push(batch);
    }
    let expected = expected.map(|numbers| {
        let mut batch: Vec<_> =
            numbers.iter().filter_map(|n: &usize| put.get(*n).copied()).collect();
        batch.sort_unstable();
        batch
    });
    ensure_eq(batches, expected.to_vec(), "in batches within the limit")
}

async fn law_11_each_revocation_is_claimed_by_one_node(nodes: Nodes) -> Outcome {
    let put = enqueued(nodes.first(), 40).await?;
    let claims = nodes
        .at_once(vec![7; 12], |node, limit| async move {
            Ok(node.claim_revocations(at(100), at(200), limit).await?)
        })
        .await?;
    let claimed: Vec<_> = claims.iter().flat_map(|claim| ids(claim)).collect();
    let distinct: BTreeSet<_> = claimed.iter().copied().collect();
    ensure_eq(distinct.len(), claimed.len(), "no revocation is claimed twice")?;
    let rest = nodes.first().claim_revocations(at(100), at(200), 100).await?;
    let all: BTreeSet<_> = claimed.into_iter().chain(ids(&rest)).collect();
    ensure_eq(all, put.into_iter().collect(), "no revocation is lost")
}

async fn law_11_attempts_are_counted(nodes: Nodes) -> Outcome {
    enqueued(nodes.first(), 1).await?;
    let mut counts = Vec::new();
    for hour in 1..=3 {
        let moment = at(0) + Duration::from_secs(3600) * hour;
        let claimed = nodes.other().claim_revocations(moment, moment, 10).await?;
        counts.extend(claimed.iter().map(|revocation| revocation.attempts));
    }
    ensure_eq(counts, vec![1, 2, 3], "each claim is an attempt")
}

async fn law_11_a_postponed_revocation_is_due_at_its_new_time(nodes: Nodes) -> Outcome {
    let put = enqueued(nodes.first(), 2).await?;
    nodes.first().claim_revocations(at(10), at(60), 10).await?;
    for (id, second) in put.iter().zip([30, 300]) {
        nodes.first().postpone_revocation(*id, at(second)).await?;
    }
    let first: Vec<_> = put.iter().take(1).copied().collect();
    let early = nodes.other().claim_revocations(at(30), at(900), 10).await?;
    ensure_eq(ids(&early), first, "postponed to an earlier time")?;
    let none = nodes.other().claim_revocations(at(299), at(900), 10).await?;
    ensure_eq(none, Vec::new(), "postponed to a later time")?;
    let last: Vec<_> = put.iter().skip(1).copied().collect();
    let late = nodes.other().claim_revocations(at(300), at(900), 10).await?;
    ensure_eq(ids(&late), last, "for as long as the provider asked (V2)")?;
    nodes.first().postpone_revocation(RevocationId::generate(), at(0)).await?;
    ensure_eq(nodes.first().claim_revocations(at(301), at(900), 10).await?, Vec::new(), "no more")
}

async fn law_11_a_completed_revocation_is_gone(nodes: Nodes) -> Outcome {
    let put = enqueued(nodes.first(), 2).await?;
    let Some((done, kept)) = put.split_first() else { return Ok(()) };
    nodes.first().complete_revocation(*done).await?;
    nodes.other().complete_revocation(*done).await?;
    nodes.other().postpone_revocation(*done, at(1)).await?;
    ensure_eq(ids(&outbox(nodes.first()).await?), kept.to_vec(), "the other revocation is left")
}

async fn law_11_the_backlog_is_counted_with_its_oldest_entry(nodes: Nodes) -> Outcome {
    let backlog = |count, oldest| RevocationBacklog { count, oldest };
    ensure_eq(nodes.other().revocation_backlog().await?, backlog(0, None), "empty")?;
    let old = PendingRevocation { created_at: at(3), ..revocation(sample::keyring(), 900)? };
    let new = PendingRevocation { created_at: at(7), ..revocation(sample::keyring(), 0)? };
    for revocation in [&new, &old] {
        nodes.first().enqueue_revocation(revocation.clone()).await?;
    }
    ensure_eq(nodes.other().revocation_backlog().await?, backlog(2, Some(at(3))), "due or not")?;
    nodes.first().complete_revocation(old.id).await?;
    ensure_eq(nodes.other().revocation_backlog().await?, backlog(1, Some(at(7))), "the newer")
}

async fn law_11_live_sessions_of_a_grant_are_counted(nodes: Nodes) -> Outcome {
    let logins = [Login::of("ann", "okta"), Login::of("ann", "okta"), Login::of("ben", "okta")];
    sign_in_all(nodes.first(), &logins).await?;
    let [one, two, other] = &logins;
    let partition = one.new_session().partition();
    let mut counts = vec![nodes.other().count_live(&partition).await?];
    for login in [one, two] {
        end_one(nodes.first(), login.id(), EndReason::SignedOut, at(5)).await?;
        counts.push(nodes.other().count_live(&partition).await?);
    }
    ensure_eq(counts, vec![2, 1, 0], "until the last session has ended (F38)")?;
    let others = nodes.first().count_live(&other.new_session().partition()).await?;
    ensure_eq(others, 1, "other partitions do not count")
}

async fn law_11_resealing_reaches_the_outbox(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let (old, new) = (sample::keyring_of(&["old"]), sample::keyring_of(&["new"]));
    let mut put = Vec::new();
    for keyring in [&old, &old, &old, &new, &old] {
        let revocation = revocation(keyring, 0)?;
        put.push((revocation.id, revocation.refresh_token.key_id() == Some("old")));
        store.enqueue_revocation(revocation).await?;
    }
    put.sort_unstable();
    let expected: Vec<_> = put.into_iter().filter(|(_, old)| *old).map(|(id, _)| id).collect();
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..4 {
        let page = nodes.other().list_revocations_sealed_with_other_key("new", after, 2).await?;
        ensure(page.len() <= 2, "a page is within the limit")?;
        after = page.last().map(|revocation| revocation.id).or(after);
        found.extend(page);
    }
    ensure_eq(ids(&found), expected, "each one once, in the order of ids")?;
    for revocation in found {
        let sealed = Sealed::from_bytes([&[1, 3], b"new".as_slice(), &[0; 40]].concat());
        store.reseal_revocation(revocation.id, sealed.clone()).await?;
        let left = nodes.other().list_revocations_sealed_with_other_key("new", None, 9).await?;
        ensure(!ids(&left).contains(&revocation.id), "it is re-sealed")?;
        let due = outbox(store).await?;
        let kept = due.into_iter().find(|claimed| claimed.id == revocation.id);
        let kept = kept.map(|kept| PendingRevocation { due_at: at(0), ..kept });
        let attempts = kept.as_ref().map_or(0, |kept| kept.attempts);
        let expected = PendingRevocation { refresh_token: sealed, attempts, ..revocation };
        ensure_eq(kept, Some(expected), "nothing else changes")?;
    }
    Ok(())
}

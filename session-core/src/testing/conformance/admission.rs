//! Law 1, one login after the other: which sessions count, which end, and in which order.

use std::time::Duration;

use super::kit::{
    Nodes, Outcome, admit, at, capped, end_one, ended_ids, ensure, ensure_eq, ids, limited,
    live_sessions, sign_in, sign_in_all, sorted,
};
use crate::policy::{Limit, OnFull, SessionPolicy};
use crate::session::EndReason;
use crate::store::Admission;
use crate::testing::sample::Login;

cases! { 1:
    law_1_order_is_the_counter_even_if_a_clock_is_behind,
    law_1_the_admitted_is_never_a_victim,
    law_1_all_excess_ends_at_once,
    law_1_replace_leaves_the_new_one_alone,
    law_1_a_refusal_says_how_many_are_live,
    law_1_least_recently_used_goes_by_the_last_use,
    law_1_only_live_sessions_count,
    law_1_timed_out_sessions_end_with_that_reason,
    law_1_the_policy_is_told_the_facts,
    law_1_partitions_count_apart,
    law_1_the_counter_continues_after_a_purge,
}

/// Creates logins of one user, a second apart.
fn devices(count: u64) -> Vec<Login> {
    (0..count).map(|second| Login::of("ann", "okta").at(at(second))).collect()
}

async fn law_1_order_is_the_counter_even_if_a_clock_is_behind(nodes: Nodes) -> Outcome {
    let policy = capped(2, OnFull::EvictOldest)?;
    let [laptop, phone, tablet] =
        [at(100), at(40), at(101)].map(|moment| Login::of("ann", "okta").at(moment));
    sign_in(nodes.first(), &laptop, &policy).await?;
    // The clock of the phone's node is a minute behind, so that the phone seems to be first.
    sign_in(nodes.other(), &phone, &policy).await?;
    let ended = sign_in(nodes.first(), &tablet, &policy).await?;
    ensure_eq(ended_ids(&ended), vec![laptop.id()], "the first admitted is the oldest")?;
    let left = nodes.first().list(&laptop.session.user).await?;
    ensure_eq(sorted(ids(&left)), sorted(vec![phone.id(), tablet.id()]), "the others stay")
}

async fn law_1_the_admitted_is_never_a_victim(nodes: Nodes) -> Outcome {
    let policy = capped(1, OnFull::EvictLeastRecentlyUsed)?;
    let busy = Login::of("ann", "okta").at(at(100)).last_seen(at(1_000));
    let new = Login::of("ann", "okta").at(at(200)).last_seen(at(0));
    sign_in(nodes.first(), &busy, &policy).await?;
    let ended = sign_in(nodes.first(), &new, &policy).await?;
    ensure_eq(ended_ids(&ended), vec![busy.id()], "the other session ends")?;
    let left = nodes.other().list(&new.session.user).await?;
    ensure_eq(ids(&left), vec![new.id()], "the new session is live")
}

async fn law_1_all_excess_ends_at_once(nodes: Nodes) -> Outcome {
    let before = devices(8);
    sign_in_all(nodes.first(), &before).await?;
    let new = Login::of("ann", "okta").at(at(60));
    let ended = sign_in(nodes.first(), &new, &capped(3, OnFull::EvictOldest)?).await?;
    let oldest: Vec<_> = before.iter().take(6).map(Login::id).collect();
    ensure_eq(ended_ids(&ended), sorted(oldest), "six end so that three are left (F18)")?;
    ensure(ended.iter().all(|e| e.reason == EndReason::Evicted), "they are evicted")?;
    let left = nodes.first().list(&new.session.user).await?.len();
    ensure_eq(left, 3, "the cap holds")
}

async fn law_1_replace_leaves_the_new_one_alone(nodes: Nodes) -> Outcome {
    let before = devices(2);
    sign_in_all(nodes.first(), &before).await?;
    let new = Login::of("ann", "okta").at(at(60)).connection();
    let ended = sign_in(nodes.first(), &new, &limited(Limit::Replace)?).await?;
    ensure_eq(ended.len(), 2, "both end")?;
    ensure(ended.iter().all(|e| e.reason == EndReason::Replaced), "they are replaced")?;
    let left = nodes.first().list(&new.session.user).await?;
    ensure_eq(ids(&left), vec![new.id()], "only the new session is left")
}

async fn law_1_a_refusal_says_how_many_are_live(nodes: Nodes) -> Outcome {
    sign_in_all(nodes.first(), &devices(3)).await?;
    let policy = capped(2, OnFull::Reject)?;
    let refused = admit(nodes.first(), &Login::of("ann", "okta"), &policy).await?;
    ensure_eq(refused, Admission::Refused { live: 3 }, "three sessions fill the partition")
}

async fn law_1_least_recently_used_goes_by_the_last_use(nodes: Nodes) -> Outcome {
    let before = devices(3);
    sign_in_all(nodes.first(), &before).await?;
    if let [first, _, third] = before.as_slice() {
        nodes.other().touch(first.id(), at(500)).await?;
        nodes.other().touch(third.id(), at(400)).await?;
    }
    let new = Login::of("ann", "okta").at(at(600));
    let policy = capped(3, OnFull::EvictLeastRecentlyUsed)?;
    let ended = sign_in(nodes.first(), &new, &policy).await?;
    let second = before.get(1).map(Login::id);
    ensure_eq(ended.first().map(|e| e.id), second, "the session that was not touched ends")?;
    ensure_eq(ended.len(), 1, "no other session ends")
}

async fn law_1_only_live_sessions_count(nodes: Nodes) -> Outcome {
    let before = devices(3);
    sign_in_all(nodes.first(), &before).await?;
    for login in before.iter().take(2) {
        end_one(nodes.other(), login.id(), EndReason::SignedOut, at(10)).await?;
    }
    let policy = capped(2, OnFull::Reject)?;
    let second = Login::of("ann", "okta").at(at(20));
    ensure(
        sign_in(nodes.first(), &second, &policy).await?.is_empty(),
        "an ended session does not count",
    )?;
    let refused = admit(nodes.first(), &Login::of("ann", "okta"), &policy).await?;
    ensure_eq(refused, Admission::Refused { live: 2 }, "the two live sessions count")
}

async fn law_1_timed_out_sessions_end_with_that_reason(nodes: Nodes) -> Outcome {
    let hour = Duration::from_secs(3600);
    let policy = SessionPolicy::builder().max_sessions(2).on_full(OnFull::Reject);
    let policy = policy.idle_timeout(hour).absolute_timeout(hour * 10).build()?;
    let idle = Login::of("ann", "okta").at(at(20_000));
    let old = Login::of("ann", "okta").at(at(0)).last_seen(at(36_000));
    sign_in_all(nodes.first(), &[idle.clone(), old.clone()]).await?;
    let new = Login::of("ann", "okta").at(at(36_000));
    let mut ended = sign_in(nodes.first(), &new, &policy).await?;
    ended.sort_by_key(|ended| ended.id == old.id());
    let reasons: Vec<_> = ended.iter().map(|ended| (ended.id, ended.reason)).collect();
    let expected = vec![(idle.id(), EndReason::Idle), (old.id(), EndReason::Absolute)];
    ensure_eq(
        reasons,
        expected,
        "timed-out sessions do not count, and end with their timeout (F21)",
    )
}

async fn law_1_the_policy_is_told_the_facts(nodes: Nodes) -> Outcome {
    let before = devices(4);
    sign_in_all(nodes.first(), &before).await?;
    let mut told = live_sessions(nodes.other(), &Login::of("ann", "okta")).await?;
    told.sort_by_key(|occupant| occupant.admission);
    let facts: Vec<_> = told.iter().map(|o| (o.id, o.last_seen_at, o.timeouts_from)).collect();
    let fact = |l: &Login| (l.id(), l.session.last_seen_at, l.session.timeouts_from);
    ensure_eq(
        facts,
        before.iter().map(fact).collect(),
        "each session with its times, in the order of admission",
    )?;
    let rises = told.iter().zip(told.iter().skip(1)).all(|(a, b)| a.admission < b.admission);
    ensure(rises, "no two sessions have the same order")
}

async fn law_1_partitions_count_apart(nodes: Nodes) -> Outcome {
    let policy = capped(1, OnFull::EvictOldest)?;
    let apart = [
        Login::of("ann", "okta"),
        Login::of("ben", "okta"),
        Login::of("ann", "google"),
        Login::of("ann", "okta").subject(Some("another")),
        Login::of("ann", "okta").subject(None),
    ];
    for login in &apart {
        let ended = sign_in(nodes.first(), login, &policy).await?;
        ensure_eq(ended, Vec::new(), "users, providers and subjects are counted apart")?;
    }
    for login in &apart {
        let live = nodes.other().count_live(&login.new_session().partition()).await?;
        ensure_eq(live, 1, "each partition has one session")?;
    }
    Ok(())
}

async fn law_1_the_counter_continues_after_a_purge(nodes: Nodes) -> Outcome {
    let [first, second, third] = [0, 1, 2].map(|second| Login::of("ann", "okta").at(at(second)));
    sign_in_all(nodes.first(), &[first.clone(), second.clone()]).await?;
    let known = live_sessions(nodes.first(), &first).await?;
    for login in [&first, &second] {
        end_one(nodes.first(), login.id(), EndReason::SignedOut, at(3)).await?;
    }
    nodes.first().purge_ended(at(10), 10).await?;
    sign_in(nodes.other(), &third, &capped(1, OnFull::EvictOldest)?).await?;
    let now = live_sessions(nodes.first(), &first).await?;
    let last = known.iter().map(|occupant| occupant.admission).max();
    ensure_eq(now.len(), 1, "one session is left")?;
    ensure(now.iter().all(|o| Some(o.admission) > last), "no order is given twice")
}

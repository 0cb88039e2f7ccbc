//! Law 1, one login after the other: who counts, who leaves, and in which order.

use std::time::Duration;

use super::kit::{
    Nodes, Outcome, admit, at, capped, end_one, ended_ids, ensure, ensure_eq, ids, limited,
    occupants, sign_in, sign_in_all, sorted,
};
use crate::policy::{Limit, OnFull, SessionPolicy};
use crate::session::EndReason;
use crate::store::Admission;
use crate::testing::sample::Login;

cases! { 1:
    law_1_order_is_the_counter_even_if_a_clock_is_behind,
    law_1_the_admitted_is_never_a_victim,
    law_1_all_excess_leaves_at_once,
    law_1_replace_leaves_the_new_one_alone,
    law_1_a_refusal_says_how_many_are_live,
    law_1_least_recently_used_goes_by_the_last_use,
    law_1_only_live_sessions_count,
    law_1_timed_out_ones_leave_for_that_reason,
    law_1_the_policy_is_told_the_facts,
    law_1_partitions_count_apart,
    law_1_admissions_go_on_behind_a_purge,
}

/// Ten devices of one user, a second apart.
fn devices(count: u64) -> Vec<Login> {
    (0..count).map(|second| Login::of("ann", "okta").at(at(second))).collect()
}

async fn law_1_order_is_the_counter_even_if_a_clock_is_behind(nodes: Nodes) -> Outcome {
    let policy = capped(2, OnFull::EvictOldest)?;
    let [laptop, phone, tablet] =
        [at(100), at(40), at(101)].map(|moment| Login::of("ann", "okta").at(moment));
    sign_in(nodes.first(), &laptop, &policy).await?;
    // A minute behind, the phone's node thinks that it came first.
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
    ensure_eq(ended_ids(&ended), vec![busy.id()], "the other one leaves")?;
    let left = nodes.other().list(&new.session.user).await?;
    ensure_eq(ids(&left), vec![new.id()], "the admitted one is in")
}

async fn law_1_all_excess_leaves_at_once(nodes: Nodes) -> Outcome {
    let before = devices(8);
    sign_in_all(nodes.first(), &before).await?;
    let new = Login::of("ann", "okta").at(at(60));
    let ended = sign_in(nodes.first(), &new, &capped(3, OnFull::EvictOldest)?).await?;
    let oldest: Vec<_> = before.iter().take(6).map(Login::id).collect();
    ensure_eq(ended_ids(&ended), sorted(oldest), "six leave for three to be left (F18)")?;
    ensure(ended.iter().all(|e| e.reason == EndReason::Evicted), "they are evicted")?;
    let left = nodes.first().list(&new.session.user).await?.len();
    ensure_eq(left, 3, "the cap holds from now on")
}

async fn law_1_replace_leaves_the_new_one_alone(nodes: Nodes) -> Outcome {
    let before = devices(2);
    sign_in_all(nodes.first(), &before).await?;
    let new = Login::of("ann", "okta").at(at(60)).connection();
    let ended = sign_in(nodes.first(), &new, &limited(Limit::Replace)?).await?;
    ensure_eq(ended.len(), 2, "both leave")?;
    ensure(ended.iter().all(|e| e.reason == EndReason::Replaced), "they are replaced")?;
    let left = nodes.first().list(&new.session.user).await?;
    ensure_eq(ids(&left), vec![new.id()], "the new one is alone")
}

async fn law_1_a_refusal_says_how_many_are_live(nodes: Nodes) -> Outcome {
    sign_in_all(nodes.first(), &devices(3)).await?;
    let policy = capped(2, OnFull::Reject)?;
    let refused = admit(nodes.first(), &Login::of("ann", "okta"), &policy).await?;
    ensure_eq(refused, Admission::Refused { live: 3 }, "three hold the places")
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
    ensure_eq(ended.first().map(|e| e.id), second, "the one without a touch leaves")?;
    ensure_eq(ended.len(), 1, "nobody else leaves")
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
        "an ended one has no place",
    )?;
    let refused = admit(nodes.first(), &Login::of("ann", "okta"), &policy).await?;
    ensure_eq(refused, Admission::Refused { live: 2 }, "the two live ones have")
}

async fn law_1_timed_out_ones_leave_for_that_reason(nodes: Nodes) -> Outcome {
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
    ensure_eq(reasons, expected, "they hold no place, and leave for their timeout (F21)")
}

async fn law_1_the_policy_is_told_the_facts(nodes: Nodes) -> Outcome {
    let before = devices(4);
    sign_in_all(nodes.first(), &before).await?;
    let mut told = occupants(nodes.other(), &Login::of("ann", "okta")).await?;
    told.sort_by_key(|occupant| occupant.admission);
    let facts: Vec<_> = told.iter().map(|o| (o.id, o.last_seen_at, o.timeouts_from)).collect();
    let fact = |l: &Login| (l.id(), l.session.last_seen_at, l.session.timeouts_from);
    ensure_eq(facts, before.iter().map(fact).collect(), "each with its times, as admitted")?;
    let rises = told.iter().zip(told.iter().skip(1)).all(|(a, b)| a.admission < b.admission);
    ensure(rises, "no two have one place in the order")
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
        ensure_eq(ended, Vec::new(), "user, provider and subject count apart")?;
    }
    for login in &apart {
        let live = nodes.other().count_live(&login.new_session().partition()).await?;
        ensure_eq(live, 1, "each partition has its one")?;
    }
    Ok(())
}

async fn law_1_admissions_go_on_behind_a_purge(nodes: Nodes) -> Outcome {
    let [first, second, third] = [0, 1, 2].map(|second| Login::of("ann", "okta").at(at(second)));
    sign_in_all(nodes.first(), &[first.clone(), second.clone()]).await?;
    let known = occupants(nodes.first(), &first).await?;
    for login in [&first, &second] {
        end_one(nodes.first(), login.id(), EndReason::SignedOut, at(3)).await?;
    }
    nodes.first().purge_ended(at(10), 10).await?;
    sign_in(nodes.other(), &third, &capped(1, OnFull::EvictOldest)?).await?;
    let now = occupants(nodes.first(), &first).await?;
    let last = known.iter().map(|occupant| occupant.admission).max();
    ensure_eq(now.len(), 1, "one is left")?;
    ensure(now.iter().all(|o| Some(o.admission) > last), "no place in the order is given twice")
}

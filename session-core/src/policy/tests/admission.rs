//! Which sessions are evicted, compared with a naive model.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::{at_most, evicting, ids, limits, moments, occupants, on_full};
use crate::clock::Timestamp;
use crate::policy::{AdmittedSession, Eviction, Limit, OnFull, SessionPolicy, Verdict};
use crate::session::{EndReason, ProviderName, SessionId};

/// The naive model: evicts one session after the other until one more fits.
fn model(limit: Limit, live: &[AdmittedSession]) -> Option<Vec<SessionId>> {
    let (max, on_full) = match limit {
        Limit::Unlimited => return Some(Vec::new()),
        Limit::Replace => (1, OnFull::EvictOldest),
        Limit::AtMost { max, on_full } => (max.get() as usize, on_full),
    };
    let mut left = live.to_vec();
    let mut victims = Vec::new();
    while left.len() >= max {
        let next = match on_full {
            OnFull::Reject => return None,
            OnFull::EvictOldest => left.iter().min_by_key(|o| o.admission),
            OnFull::EvictLeastRecentlyUsed => {
                left.iter().min_by_key(|o| (o.last_seen_at, o.admission))
            }
        };
        let next = next.unwrap().id;
        left.retain(|occupant| occupant.id != next);
        victims.push(next);
    }
    Some(victims)
}

fn policy(limit: Limit, idle: Option<Duration>, absolute: Option<Duration>) -> SessionPolicy {
    let builder = SessionPolicy::builder().without_idle_timeout().without_absolute_timeout();
    let builder = match limit {
        Limit::AtMost { max, on_full } => builder.max_sessions(max.get()).on_full(on_full),
        Limit::Replace => builder.replace(),
        Limit::Unlimited => builder.unlimited(),
    };
    let builder = idle.into_iter().fold(builder, |b, idle| b.idle_timeout(idle));
    absolute.into_iter().fold(builder, |b, absolute| b.absolute_timeout(absolute)).build().unwrap()
}

fn okta() -> ProviderName {
    ProviderName::new("okta").unwrap()
}

proptest! {
    #[test]
    fn f19_exactly_the_sessions_that_the_model_names_are_evicted(limit in limits(), live in occupants()) {
        match (limit.admit(&live), model(limit, &live)) {
            (Verdict::Admit(leaving), Some(victims)) => {
                let mut leaving = ids(&leaving);
                let mut victims = victims;
                leaving.sort_unstable();
                victims.sort_unstable();
                prop_assert_eq!(leaving, victims);
            }
            (Verdict::Refuse { live: held }, None) => prop_assert_eq!(held, live.len()),
            (verdict, model) => prop_assert!(false, "{verdict:?}, but the model says {model:?}"),
        }
    }

    #[test]
    fn f18_all_excess_is_evicted_so_that_the_cap_holds_with_the_new_one(
        max in 1..12_u32, on_full in evicting(), live in occupants(),
    ) {
        let Verdict::Admit(leaving) = at_most(max, on_full).admit(&live) else {
            return Err(TestCaseError::fail("an evicting cap never refuses"));
        };
        let distinct: HashSet<SessionId> = ids(&leaving).into_iter().collect();
        prop_assert_eq!(distinct.len(), leaving.len());
        prop_assert!(live.len() - leaving.len() < max as usize);
        let needless = live.len() < max as usize && !leaving.is_empty();
        prop_assert!(!needless, "nothing is evicted below the cap");
        prop_assert!(leaving.iter().all(|d| d.reason == EndReason::Evicted));
    }

    #[test]
    fn f19_the_order_of_eviction_is_total(
        max in 1..12_u32, on_full in evicting(),
        (live, shuffled) in occupants()
            .prop_flat_map(|live| (Just(live.clone()), Just(live).prop_shuffle())),
    ) {
        // The same sessions in another order give the same verdict, whatever times collide.
        let limit = at_most(max, on_full);
        prop_assert_eq!(limit.admit(&live), limit.admit(&shuffled));
    }

    #[test]
    fn f19_the_sessions_that_stay_come_after_the_evicted_ones(max in 1..12_u32, on_full in evicting(), live in occupants()) {
        let Verdict::Admit(leaving) = at_most(max, on_full).admit(&live) else {
            return Err(TestCaseError::fail("an evicting cap never refuses"));
        };
        let key = |o: &AdmittedSession| match on_full {
            OnFull::EvictLeastRecentlyUsed => (o.last_seen_at, o.admission),
            _ => (Timestamp::default(), o.admission),
        };
        let leaving: HashSet<SessionId> = ids(&leaving).into_iter().collect();
        let (gone, stay): (Vec<_>, Vec<_>) = live.iter().partition(|o| leaving.contains(&o.id));
        let last_gone = gone.into_iter().map(key).max();
        let first_stay = stay.into_iter().map(key).min();
        prop_assert!(last_gone.is_none() || first_stay.is_none() || last_gone < first_stay);
    }

    #[test]
    fn f20_unlimited_ends_no_session_and_replace_ends_all(live in occupants()) {
        prop_assert_eq!(Limit::Unlimited.admit(&live), Verdict::Admit(Vec::new()));
        let Verdict::Admit(leaving) = Limit::Replace.admit(&live) else {
            return Err(TestCaseError::fail("replacing never refuses"));
        };
        prop_assert_eq!(leaving.len(), live.len());
        prop_assert!(leaving.iter().all(|d| d.reason == EndReason::Replaced));
    }

    #[test]
    fn f21_a_cap_refuses_only_when_live_sessions_reach_it(
        max in 1..12_u32, present in occupants(),
        idle in 1..200_000_u64, absolute in 1..200_000_u64, now in moments(),
    ) {
        let policy = policy(
            at_most(max, OnFull::Reject),
            Some(Duration::from_millis(idle)),
            Some(Duration::from_millis(absolute)),
        );
        let timeouts = policy.timeouts(&okta());
        let is_live = |o: &&AdmittedSession| timeouts.reached(o.timeouts_from, o.last_seen_at, now).is_none();
        let live = present.iter().filter(is_live).count();
        match policy.admit(&okta(), &present, now) {
            Verdict::Refuse { live: held } => {
                prop_assert_eq!(held, live);
                prop_assert!(live >= max as usize);
            }
            Verdict::Admit(leaving) => {
                prop_assert!(live < max as usize);
                // Exactly those that timed out end.
                prop_assert_eq!(leaving.len(), present.len() - live);
            }
        }
    }

    #[test]
    fn f21_timed_out_sessions_end_for_their_timeout_and_do_not_count(
        limit in limits(), present in occupants(),
        idle in 1..200_000_u64, absolute in 1..200_000_u64, now in moments(),
    ) {
        let idle = Duration::from_millis(idle);
        let absolute = Duration::from_millis(absolute);
        let policy = policy(limit, Some(idle), Some(absolute));
        let timeouts = policy.timeouts(&okta());
        let reached = |o: &AdmittedSession| timeouts.reached(o.timeouts_from, o.last_seen_at, now);
        let live: Vec<AdmittedSession> =
            present.iter().filter(|o| reached(o).is_none()).copied().collect();
        match (policy.admit(&okta(), &present, now), limit.admit(&live)) {
            (Verdict::Admit(all), Verdict::Admit(evicted)) => {
                let timed_out = present.iter().filter(|o| reached(o).is_some());
                for occupant in timed_out {
                    let left = all.iter().find(|d| d.id == occupant.id);
                    prop_assert_eq!(left.map(|d| d.reason), reached(occupant));
                }
                let of_the_living = all.iter().filter(|d| live.iter().any(|o| o.id == d.id));
                prop_assert_eq!(of_the_living.copied().collect::<Vec<_>>(), evicted);
            }
            (one, other) => prop_assert_eq!(one, other),
        }
    }

    #[test]
    fn verdicts_are_monotone_in_time(
        limit in limits(), present in occupants(),
        idle in 1..200_000_u64, now in moments(), later in 0..300_000_u64,
    ) {
        let policy = policy(limit, Some(Duration::from_millis(idle)), None);
        let later = now + Duration::from_millis(later);
        let evicted = |verdict: &Verdict| match verdict {
            Verdict::Admit(leaving) => {
                leaving.iter().filter(|d| d.reason != EndReason::Idle).count()
            }
            Verdict::Refuse { .. } => usize::MAX,
        };
        let [first, second] = [now, later].map(|now| policy.admit(&okta(), &present, now));
        // As time passes, sessions only time out: never are more evicted, and a sign-in that was
        // admitted before is never refused.
        prop_assert!(evicted(&second) <= evicted(&first), "{first:?}, later {second:?}");
        if let (Verdict::Admit(first), Verdict::Admit(second)) = (&first, &second) {
            let idle = |l: &[Eviction]| -> HashSet<SessionId> {
                l.iter().filter(|d| d.reason == EndReason::Idle).map(|d| d.id).collect()
            };
            prop_assert!(idle(first).is_subset(&idle(second)), "what timed out stays timed out");
        }
    }

    #[test]
    fn f17_one_login_after_the_other_keeps_every_cap(
        max in 1..6_u32, on_full in on_full(), last_uses in prop::collection::vec(moments(), 1..40),
    ) {
        let limit = at_most(max, on_full);
        let mut live: Vec<AdmittedSession> = Vec::new();
        for (number, last_seen_at) in last_uses.into_iter().enumerate() {
            let id = SessionId::from_uuid(Uuid::from_u128(number as u128));
            let admission = number as u64;
            let new = AdmittedSession { id, admission, last_seen_at, timeouts_from: last_seen_at };
            match limit.admit(&live) {
                Verdict::Admit(leaving) => {
                    live.retain(|o| leaving.iter().all(|d| d.id != o.id));
                    live.push(new);
                    prop_assert!(live.contains(&new), "the newest is in");
                }
                Verdict::Refuse { .. } => prop_assert_eq!(on_full, OnFull::Reject),
            }
            prop_assert!(live.len() <= max as usize);
        }
    }
}

#[test]
fn f18_a_table_far_over_its_cap_converges_at_one_login() {
    let occupant = |number: u64| AdmittedSession {
        id: SessionId::from_uuid(Uuid::from_u128(u128::from(number))),
        admission: number,
        last_seen_at: Timestamp::from_millis(0),
        timeouts_from: Timestamp::from_millis(0),
    };
    let live: Vec<AdmittedSession> = (0..2_720).map(occupant).collect();
    let Verdict::Admit(leaving) = at_most(10, OnFull::EvictOldest).admit(&live) else {
        panic!("an evicting cap never refuses");
    };
    assert_eq!(leaving.len(), 2_711);
    assert_eq!(leaving.last().unwrap().id, occupant(2_710).id);
}

#[test]
fn f20_a_cap_of_one_is_one_and_not_none() {
    let limit = at_most(1, OnFull::EvictOldest);
    assert_eq!(limit.admit(&[]), Verdict::Admit(Vec::new()));
}

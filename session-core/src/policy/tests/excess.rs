//! Evictions from a partition that was filled without the cap: the same order as at a sign-in.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::{at_most, evicting, ids, limits, moments, occupants, on_full};
use crate::policy::{AdmittedSession, Limit, OnFull, SessionPolicy, Verdict};
use crate::session::{EndReason, ProviderName, SessionId};

/// The sessions that stay.
fn rest(limit: Limit, present: &[AdmittedSession]) -> Vec<AdmittedSession> {
    let gone: HashSet<SessionId> = ids(&limit.excess(present)).into_iter().collect();
    present.iter().filter(|occupant| !gone.contains(&occupant.id)).copied().collect()
}

fn most(limit: Limit) -> usize {
    match limit {
        Limit::AtMost { max, .. } => max.get() as usize,
        Limit::Replace => 1,
        Limit::Unlimited => usize::MAX,
    }
}

proptest! {
    #[test]
    fn the_sessions_that_stay_fit_and_with_the_evicted_ones_they_are_all(
        limit in limits(), present in occupants(),
    ) {
        let leaving = limit.excess(&present);
        let distinct: HashSet<SessionId> = ids(&leaving).into_iter().collect();
        prop_assert_eq!(distinct.len(), leaving.len(), "no session is evicted twice");
        let stay = rest(limit, &present);
        prop_assert_eq!(stay.len() + leaving.len(), present.len(), "who leaves was present");
        // No more are evicted than necessary.
        prop_assert_eq!(stay.len(), present.len().min(most(limit)));
        let reason = if limit == Limit::Replace { EndReason::Replaced } else { EndReason::Evicted };
        prop_assert!(leaving.iter().all(|departure| departure.reason == reason));
        prop_assert!(limit.excess(&stay).is_empty(), "what fits stays as it is");
    }

    #[test]
    fn the_order_of_eviction_is_total(
        limit in limits(),
        (present, shuffled) in occupants()
            .prop_flat_map(|present| (Just(present.clone()), Just(present).prop_shuffle())),
    ) {
        prop_assert_eq!(limit.excess(&present), limit.excess(&shuffled));
    }

    #[test]
    fn equal_admissions_are_decided_by_the_id(max in 1..6_u32, present in occupants()) {
        // A source has no counter: its rows with the same time have the same number.
        let tied: Vec<AdmittedSession> =
            present.into_iter().map(|occupant| AdmittedSession { admission: 7, ..occupant }).collect();
        let limit = at_most(max, OnFull::EvictOldest);
        let last_gone = ids(&limit.excess(&tied)).into_iter().max();
        let first_stay = rest(limit, &tied).into_iter().map(|occupant| occupant.id).min();
        prop_assert!(last_gone.is_none() || last_gone < first_stay, "the higher id is the newer");
    }

    #[test]
    fn a_login_at_the_full_cap_evicts_one_of_the_rest_and_it_is_the_next_in_order(
        max in 1..12_u32, on_full in evicting(), present in occupants(),
    ) {
        let limit = at_most(max, on_full);
        let stay = rest(limit, &present);
        let Verdict::Admit(evicted) = limit.admit(&stay) else {
            return Err(TestCaseError::fail("an evicting cap never refuses"));
        };
        prop_assert_eq!(evicted.len(), usize::from(stay.len() == max as usize));
        // A sign-in to the partition as it was ends the same ones as the migration and the sign-in.
        let Verdict::Admit(at_once) = limit.admit(&present) else {
            return Err(TestCaseError::fail("an evicting cap never refuses"));
        };
        let one_after_the_other: Vec<SessionId> =
            ids(&limit.excess(&present)).into_iter().chain(ids(&evicted)).collect();
        prop_assert_eq!(ids(&at_once), one_after_the_other);
    }

    #[test]
    fn a_cap_that_refuses_sign_ins_keeps_what_evicting_the_oldest_keeps(
        max in 1..12_u32, present in occupants(),
    ) {
        let [rejecting, evicting] = [OnFull::Reject, OnFull::EvictOldest].map(|on| at_most(max, on));
        prop_assert_eq!(rejecting.excess(&present), evicting.excess(&present));
    }

    #[test]
    fn the_policy_ignores_timeouts(
        max in 1..12_u32, on_full in on_full(), idle in 1..200_000_u64, present in occupants(),
        _now in moments(),
    ) {
        let policy = SessionPolicy::builder().max_sessions(max).on_full(on_full);
        let policy = policy.idle_timeout(Duration::from_millis(idle)).build().unwrap();
        let okta = ProviderName::new("okta").unwrap();
        prop_assert_eq!(policy.excess(&okta, &present), at_most(max, on_full).excess(&present));
    }
}

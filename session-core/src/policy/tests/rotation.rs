//! For how long a previous secret is accepted.

use std::time::Duration;

use proptest::prelude::*;

use super::{moments, spans};
use crate::clock::Timestamp;
use crate::policy::rotation::{
    accepted_since, accepted_until, is_new_secret_lost, is_previous_accepted,
};

proptest! {
    #[test]
    fn the_bounds_for_a_query_say_the_same(
        rotated in 0..2_000_000_i64, confirmed in prop::option::of(0..2_000_000_i64),
        now in 0..2_000_000_i64,
    ) {
        let rotated = Timestamp::from_millis(rotated);
        let confirmed = confirmed.map(Timestamp::from_millis);
        let now = Timestamp::from_millis(now);
        let (rotated_after, confirmed_after) = accepted_since(now);
        let is_found = rotated > rotated_after && confirmed.is_none_or(|at| at > confirmed_after);
        prop_assert_eq!(is_found, is_previous_accepted(rotated, confirmed, now));
    }

    #[test]
    fn a_previous_secret_that_is_rejected_stays_rejected(
        rotated in moments(), confirmed in prop::option::of(moments()),
        now in moments(), later in spans(),
    ) {
        let first = is_previous_accepted(rotated, confirmed, now);
        let second = is_previous_accepted(rotated, confirmed, now + later);
        prop_assert!(first || !second);
    }

    #[test]
    fn a_previous_secret_is_accepted_for_ten_minutes_at_most(
        rotated in moments(), confirmed in prop::option::of(moments()),
    ) {
        let until = accepted_until(rotated, confirmed);
        prop_assert!(until <= rotated + Duration::from_secs(600));
        prop_assert!(!is_previous_accepted(rotated, confirmed, until));
        if let Some(confirmed) = confirmed {
            prop_assert!(until <= confirmed + Duration::from_secs(30));
        }
    }

    #[test]
    fn a_secret_that_was_presented_is_not_lost(
        rotated in moments(), confirmed in moments(), now in moments(),
    ) {
        prop_assert!(!is_new_secret_lost(rotated, Some(confirmed), now));
    }
}

#[test]
fn the_previous_secret_is_accepted_until_thirty_seconds_after_the_first_use_of_the_new_one() {
    let rotated = Timestamp::from_millis(0);
    let second = Duration::from_secs(1);
    let confirmed = Some(rotated + second * 100);
    assert!(is_previous_accepted(rotated, confirmed, rotated + second * 129));
    assert!(!is_previous_accepted(rotated, confirmed, rotated + second * 130));
}

#[test]
fn a_new_secret_that_is_not_presented_counts_as_lost_after_a_minute() {
    let rotated = Timestamp::from_millis(0);
    let minute = Duration::from_secs(60);
    assert!(!is_new_secret_lost(rotated, None, rotated + minute / 2));
    assert!(is_new_secret_lost(rotated, None, rotated + minute));
    // The previous one is still accepted, so the user stays signed in.
    assert!(is_previous_accepted(rotated, None, rotated + minute));
}

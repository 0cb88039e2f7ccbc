//! The idle and the absolute timeout.

use std::time::Duration;

use proptest::prelude::*;

use super::{moments, spans};
use crate::clock::Timestamp;
use crate::policy::Timeouts;
use crate::session::EndReason;

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let span = || prop::option::of(spans());
    (span(), span()).prop_map(|(idle, absolute)| Timeouts { idle, absolute })
}

proptest! {
    #[test]
    fn t1_no_clock_value_panics_and_an_end_stays_an_end(
        timeouts in timeouts(), from in moments(), seen in moments(),
        now in moments(), later in spans(),
    ) {
        let first = timeouts.reached(from, seen, now);
        let second = timeouts.reached(from, seen, now + later);
        prop_assert!(first.is_none() || second.is_some(), "time revives no session");
        prop_assert!(first != Some(EndReason::Absolute) || second == first);
    }

    #[test]
    fn t1_both_limits_are_enforced_each_on_its_own(
        timeouts in timeouts(), from in moments(), seen in moments(), now in moments(),
    ) {
        let only = |idle, absolute| Timeouts { idle, absolute }.reached(from, seen, now);
        let expected = only(None, timeouts.absolute).or(only(timeouts.idle, None));
        prop_assert_eq!(timeouts.reached(from, seen, now), expected);
    }

    #[test]
    fn t3_use_moves_the_idle_timeout_only(
        timeouts in timeouts(), from in moments(), seen in moments(), used in moments(),
        now in moments(),
    ) {
        let absolute = Some(EndReason::Absolute);
        let before = timeouts.reached(from, seen, now);
        let after = timeouts.reached(from, used, now);
        prop_assert_eq!(before == absolute, after == absolute);
    }

    #[test]
    fn the_deadline_is_the_first_moment_at_which_a_timeout_is_reached(
        timeouts in timeouts(), from in moments(), seen in moments(),
    ) {
        let Some(deadline) = timeouts.deadline(from, seen) else {
            prop_assert_eq!(timeouts, Timeouts::default());
            return Ok(());
        };
        prop_assert!(timeouts.reached(from, seen, deadline).is_some());
        let before = deadline - Duration::from_millis(1);
        prop_assert!(before == deadline || timeouts.reached(from, seen, before).is_none());
        if let Some(absolute) = timeouts.absolute_deadline(from) {
            prop_assert!(deadline <= absolute);
            prop_assert_eq!(timeouts.reached(from, seen, absolute), Some(EndReason::Absolute));
        }
    }

    #[test]
    fn t1_without_limits_nothing_times_out(from in moments(), seen in moments(), now in moments()) {
        prop_assert_eq!(Timeouts::default().reached(from, seen, now), None);
    }
}

#[test]
fn t1_a_timeout_is_reached_at_its_moment_and_not_before() {
    let hour = Duration::from_secs(3600);
    let timeouts = Timeouts { idle: Some(hour), absolute: None };
    let seen = Timestamp::from_millis(0);
    let at = seen + hour;
    assert_eq!(timeouts.reached(seen, seen, at - Duration::from_millis(1)), None);
    assert_eq!(timeouts.reached(seen, seen, at), Some(EndReason::Idle));
}

#[test]
fn f29_a_clock_that_is_behind_ends_nothing_early() {
    let minute = Duration::from_secs(60);
    let timeouts = Timeouts { idle: Some(minute), absolute: Some(minute) };
    let seen = Timestamp::from_millis(1_000_000);
    assert_eq!(timeouts.reached(seen, seen, seen - minute), None);
}

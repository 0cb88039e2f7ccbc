//! When a token is renewed.

use std::time::Duration;

use proptest::prelude::*;

use super::{moments, spans};
use crate::clock::Timestamp;
use crate::policy::{Freshness, Renewal};

fn renewals() -> impl Strategy<Value = Renewal> {
    (spans(), spans()).prop_map(|(leeway, jitter)| Renewal { leeway, jitter, ..Renewal::default() })
}

fn due(renewal: &Renewal, received: Timestamp, expires: Timestamp, spread: u64) -> Timestamp {
    renewal.schedule(received, Some(expires), spread).due_at().unwrap()
}

/// A number that grows as a token ages.
fn age(freshness: Freshness) -> u8 {
    match freshness {
        Freshness::Fresh => 0,
        Freshness::Due => 1,
        Freshness::Expired => 2,
    }
}

proptest! {
    #[test]
    fn a_token_is_due_no_later_than_it_expires(
        renewal in renewals(), received in moments(), expires in moments(), spread in any::<u64>(),
    ) {
        prop_assert!(due(&renewal, received, expires, spread) <= expires);
    }

    #[test]
    fn f28_leeway_and_jitter_never_eat_a_short_lifetime(
        renewal in renewals(), lifetime in 1..4_000_000_000_u64, spread in any::<u64>(),
    ) {
        let received = Timestamp::from_millis(1_000_000);
        let lifetime = Duration::from_millis(lifetime);
        let expires = received + lifetime;
        let ahead = expires.since(due(&renewal, received, expires, spread));
        // A quarter for the leeway, a tenth for the jitter, and a millisecond of rounding for each.
        let max = lifetime / 4 + lifetime / 10 + Duration::from_millis(2);
        prop_assert!(ahead <= max, "due {ahead:?} ahead of {lifetime:?}");
        let asked = renewal.leeway.saturating_add(renewal.jitter);
        prop_assert!(ahead <= asked.saturating_add(Duration::from_millis(2)));
    }

    #[test]
    fn f28_without_jitter_the_leeway_is_at_most_a_quarter(
        leeway in spans(), lifetime in 4..4_000_000_000_u64, spread in any::<u64>(),
    ) {
        let renewal = Renewal { leeway, jitter: Duration::ZERO, ..Renewal::default() };
        let received = Timestamp::from_millis(0);
        let lifetime = Duration::from_millis(lifetime);
        let expires = received + lifetime;
        let ahead = expires.since(due(&renewal, received, expires, spread));
        prop_assert!(ahead <= lifetime / 4 + Duration::from_millis(1));
        prop_assert!(ahead <= leeway.saturating_add(Duration::from_millis(1)));
    }

    #[test]
    fn f28_a_token_that_has_just_come_is_not_due(
        renewal in renewals(), lifetime in 10..4_000_000_000_u64, spread in any::<u64>(),
    ) {
        let received = Timestamp::from_millis(1_000);
        let expires = Some(received + Duration::from_millis(lifetime));
        let freshness = renewal.schedule(received, expires, spread).freshness(received);
        prop_assert_eq!(freshness, Freshness::Fresh);
    }

    #[test]
    fn f29_a_token_only_gets_older(
        renewal in renewals(), received in moments(), expires in prop::option::of(moments()),
        now in moments(), later in spans(), spread in any::<u64>(),
    ) {
        let schedule = renewal.schedule(received, expires, spread);
        let (first, second) = (schedule.freshness(now), schedule.freshness(now + later));
        prop_assert!(age(first) <= age(second), "{first:?}, later {second:?}");
    }

    #[test]
    fn a_token_has_expired_exactly_from_its_expiry_on(
        renewal in renewals(), received in moments(), expires in moments(), now in moments(),
        spread in any::<u64>(),
    ) {
        let freshness = renewal.schedule(received, Some(expires), spread).freshness(now);
        prop_assert_eq!(freshness == Freshness::Expired, now >= expires);
    }

    #[test]
    fn f25_a_token_without_expiry_is_always_fresh(
        renewal in renewals(), received in moments(), now in moments(), spread in any::<u64>(),
    ) {
        let schedule = renewal.schedule(received, None, spread);
        prop_assert_eq!((schedule.freshness(now), schedule.due_at()), (Freshness::Fresh, None));
    }

    #[test]
    fn f30_jitter_spreads_and_is_the_same_for_the_same_session(
        received in 0..1_000_000_i64, spread in any::<u64>(),
    ) {
        let renewal = Renewal::default();
        let received = Timestamp::from_millis(received);
        let expires = received + Duration::from_secs(3600);
        let at = due(&renewal, received, expires, spread);
        prop_assert_eq!(at, due(&renewal, received, expires, spread));
        let latest = due(&renewal, received, expires, 0);
        prop_assert!(at <= latest && latest.since(at) <= renewal.jitter);
    }
}

#[test]
fn f30_tokens_that_came_together_are_not_due_together() {
    let renewal = Renewal::default();
    let received = Timestamp::from_millis(0);
    let expires = received + Duration::from_secs(3600);
    let due = |spread| due(&renewal, received, expires, spread);
    let distinct: std::collections::HashSet<_> = (0..1024).map(due).collect();
    assert!(distinct.len() > 500, "{} moments for 1024 sessions", distinct.len());
}

#[test]
fn f28_a_minute_long_token_is_renewed_once_a_minute() {
    let renewal = Renewal::default();
    let received = Timestamp::from_millis(0);
    let expires = received + Duration::from_secs(60);
    let due = due(&renewal, received, expires, 0);
    assert_eq!(due, received + Duration::from_secs(45));
}

//! Properties of the policy, compared with a naive model, and what its builder refuses.

mod admission;
mod builder;
mod excess;
mod patterns;
mod renewal;
mod rotation;
mod timeouts;

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::policy::{AdmittedSession, Eviction, Limit, OnFull};
use crate::session::SessionId;

/// Moments near each other, and any other that a clock may show.
fn moments() -> impl Strategy<Value = Timestamp> {
    let near = 0..100_000_i64;
    let ends = prop_oneof![proptest::strategy::Just(i64::MIN), proptest::strategy::Just(i64::MAX)];
    prop_oneof![8 => near, 2 => any::<i64>(), 1 => ends].prop_map(Timestamp::from_millis)
}

/// Spans near the distances of the moments, and extreme ones.
fn spans() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (1..200_000_u64).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(Duration::from_millis),
        1 => proptest::strategy::Just(Duration::MAX),
        1 => proptest::strategy::Just(Duration::ZERO),
    ]
}

fn at_most(max: u32, on_full: OnFull) -> Limit {
    Limit::AtMost { max: NonZeroU32::new(max).unwrap(), on_full }
}

fn on_full() -> impl Strategy<Value = OnFull> {
    use OnFull::{EvictLeastRecentlyUsed, EvictOldest, Reject};
    prop_oneof![Just(EvictLeastRecentlyUsed), Just(EvictOldest), Just(Reject)]
}

fn evicting() -> impl Strategy<Value = OnFull> {
    prop_oneof![Just(OnFull::EvictLeastRecentlyUsed), Just(OnFull::EvictOldest)]
}

fn limits() -> impl Strategy<Value = Limit> {
    let capped = (1..12_u32, on_full()).prop_map(|(max, on_full)| at_most(max, on_full));
    prop_oneof![4 => capped, 1 => Just(Limit::Replace), 1 => Just(Limit::Unlimited)]
}

/// Sessions in any order, with different positions in the order of admission and colliding times.
fn occupants() -> impl Strategy<Value = Vec<AdmittedSession>> {
    let times = prop::collection::vec((moments(), moments()), 0..30);
    let numbered = times.prop_map(|times| {
        let occupant = |(number, (last_seen_at, timeouts_from)): (usize, _)| AdmittedSession {
            id: SessionId::from_uuid(Uuid::from_u128(1_000 - number as u128)),
            admission: number as u64 * 3,
            last_seen_at,
            timeouts_from,
        };
        times.into_iter().enumerate().map(occupant).collect::<Vec<_>>()
    });
    numbered.prop_shuffle()
}

fn ids(leaving: &[Eviction]) -> Vec<SessionId> {
    leaving.iter().map(|departure| departure.id).collect()
}

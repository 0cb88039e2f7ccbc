//! Properties of the policy, held against a naive model, and what its builder refuses.

mod admission;
mod builder;
mod patterns;
mod renewal;
mod rotation;
mod timeouts;

use std::time::Duration;

use proptest::prelude::{Strategy, any, prop_oneof};

use crate::clock::Timestamp;

/// Moments near each other, and any other that a clock may claim.
fn moments() -> impl Strategy<Value = Timestamp> {
    let near = 0..100_000_i64;
    let ends = prop_oneof![proptest::strategy::Just(i64::MIN), proptest::strategy::Just(i64::MAX)];
    prop_oneof![8 => near, 2 => any::<i64>(), 1 => ends].prop_map(Timestamp::from_millis)
}

/// Spans near the moments' distances, and absurd ones.
fn spans() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (1..200_000_u64).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(Duration::from_millis),
        1 => proptest::strategy::Just(Duration::MAX),
        1 => proptest::strategy::Just(Duration::ZERO),
    ]
}

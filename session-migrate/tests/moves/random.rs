//! Random numbers from a seed that is printed, so that a run can be repeated.

use std::time::Duration;

/// A small generator (xorshift), good enough to choose delays and rows.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Creates a generator from `SESSION_TEST_SEED`, or from a new seed; prints the seed.
    pub(crate) fn new(what: &str) -> Self {
        let given = std::env::var("SESSION_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
        println!("{what}: SESSION_TEST_SEED={seed}");
        Self(seed | 1)
    }

    /// Creates an independent generator.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next() | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end
    }

    /// Returns a duration of at most `max`.
    pub(crate) fn within(&mut self, max: Duration) -> Duration {
        max.mul_f64(f64::from(u32::try_from(self.below(10_001)).unwrap()) / 10_000.0)
    }
}

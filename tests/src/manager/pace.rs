//! Waiting for conditions instead of time.

use std::future::Future;
use std::time::Duration;

use session_core::testing::FakeClock;

/// How often other tasks are polled before a test assumes that all are waiting.
const TURNS: usize = 200;

/// Runs all tasks until they wait. For a runtime with one thread.
pub async fn settle() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// Returns as soon as the condition holds. For a runtime with one thread, whose tasks do not wait for
/// time.
///
/// # Panics
///
/// Panics if the condition does not become true.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..TURNS * 50 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it did not happen: {what}");
}

/// Returns as soon as the condition holds, with real threads and databases.
///
/// # Panics
///
/// Panics if the condition does not become true within a minute.
pub async fn until_real<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let poll = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), poll).await;
    assert!(in_time.is_ok(), "it did not happen: {what}");
}

/// Advances a clock in small steps and runs all tasks after each, as on a running machine.
#[derive(Debug, Clone, Copy)]
pub struct Step(pub Duration);

impl Step {
    /// A step shorter than any sleep of the manager with the default policy.
    pub const SMALL: Self = Self(Duration::from_millis(250));

    /// Advances the clock by a span.
    pub async fn pass(self, clock: &FakeClock, span: Duration) {
        let mut left = span;
        while !left.is_zero() {
            settle().await;
            let step = left.min(self.0);
            clock.advance(step);
            left -= step;
        }
        settle().await;
    }

    /// Advances the clock until the future completes.
    ///
    /// # Panics
    ///
    /// Panics if it does not complete within ten minutes.
    pub async fn drive<T>(self, clock: &FakeClock, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut passed = Duration::ZERO;
        while passed < Duration::from_secs(600) {
            tokio::select! {
                biased;
                done = &mut future => return done,
                () = settle() => {}
            }
            clock.advance(self.0);
            passed += self.0;
        }
        panic!("it did not complete within ten minutes");
    }
}

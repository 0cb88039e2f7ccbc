//! Waiting for conditions, never for time.

use std::future::Future;
use std::time::Duration;

use session_core::testing::FakeClock;

/// How often others get their turn before a test takes nothing more to happen by itself.
const TURNS: usize = 200;

/// Lets all tasks come as far as they get without the clock. For a runtime of one thread.
pub async fn settle() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// Returns as soon as the condition holds. For a runtime of one thread, whose tasks need no time.
///
/// # Panics
///
/// If it does not come to hold.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..TURNS * 50 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never came to pass: {what}");
}

/// Returns as soon as the condition holds, where real threads and databases work on it.
///
/// # Panics
///
/// If it does not within a minute.
pub async fn until_real<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let poll = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), poll).await;
    assert!(in_time.is_ok(), "it never came to pass: {what}");
}

/// Moves a clock in small steps and gives all tasks their turn after each: what a machine does
/// that runs.
#[derive(Debug, Clone, Copy)]
pub struct Step(pub Duration);

impl Step {
    /// Smaller than any interval that the manager sleeps with the default policy.
    pub const SMALL: Self = Self(Duration::from_millis(250));

    /// Lets so much time pass.
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

    /// Lets time pass until the future is done.
    ///
    /// # Panics
    ///
    /// If ten minutes are not enough for it.
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
        panic!("it is not done after ten minutes");
    }
}

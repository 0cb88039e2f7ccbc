//! A clock that a test sets.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::clock::{Clock, Sleep, Timestamp};

/// A clock that moves only when a test advances it. Clones move together.
///
/// ```
/// use session_core::testing::FakeClock;
/// use session_core::clock::Clock;
/// use std::time::Duration;
///
/// let clock = FakeClock::new();
/// let before = clock.now();
/// clock.clone().advance(Duration::from_secs(90));
/// assert_eq!(clock.now().since(before), Duration::from_secs(90));
/// ```
#[derive(Debug, Clone)]
pub struct FakeClock {
    readings: Arc<Mutex<Readings>>,
    /// How far the wall clock of this node is behind.
    behind: Duration,
}

#[derive(Debug)]
struct Readings {
    wall: Timestamp,
    monotonic: Duration,
    sleepers: Vec<(Duration, Waker)>,
}

impl FakeClock {
    /// Creates a clock at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_millis(1_767_225_600_000))
    }

    /// Creates a clock at this time.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        let readings = Readings { wall, monotonic: Duration::ZERO, sleepers: Vec::new() };
        Self { readings: Arc::new(Mutex::new(readings)), behind: Duration::ZERO }
    }

    /// Returns the clock of another node, which moves with this one and whose wall clock is behind.
    #[must_use]
    pub fn node_behind(&self, behind: Duration) -> Self {
        Self { readings: Arc::clone(&self.readings), behind }
    }

    /// Advances the wall clock and the monotonic clock, and completes the sleeps that are due.
    pub fn advance(&self, span: Duration) {
        let mut readings = self.lock();
        readings.wall = readings.wall + span;
        readings.monotonic += span;
        let now = readings.monotonic;
        let (due, sleeping) =
            std::mem::take(&mut readings.sleepers).into_iter().partition(|(at, _)| *at <= now);
        readings.sleepers = sleeping;
        drop(readings);
        let due: Vec<(Duration, Waker)> = due;
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Advances the wall clock only, as while a machine is suspended and its monotonic clock stops.
    pub fn suspend(&self, span: Duration) {
        let mut readings = self.lock();
        readings.wall = readings.wall + span;
    }

    /// Returns how many sleeps wait for this clock.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.lock().sleepers.len()
    }

    fn lock(&self) -> MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.lock().wall - self.behind
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    fn sleep(&self, span: Duration) -> Sleep {
        let readings = Arc::clone(&self.readings);
        let until = self.lock().monotonic.saturating_add(span);
        Box::pin(poll_fn(move |context| {
            let mut readings = readings.lock().unwrap_or_else(PoisonError::into_inner);
            if readings.monotonic >= until {
                return Poll::Ready(());
            }
            let waker = context.waker();
            let known = readings.sleepers.iter().any(|(at, w)| *at == until && w.will_wake(waker));
            if !known {
                readings.sleepers.push((until, waker.clone()));
            }
            Poll::Pending
        }))
    }
}

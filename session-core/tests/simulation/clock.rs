//! One time for all nodes, and a wall clock for each, which may be wrong.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use session_core::Timestamp;
use session_core::clock::{Clock, Sleep};

const START: i64 = 1_767_225_600_000;

/// The time of all nodes. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Time(Arc<Mutex<Sleepers>>);

#[derive(Debug, Default)]
struct Sleepers {
    now: Duration,
    /// The sleeps by their end and a number, each with its node.
    waiting: BTreeMap<(Duration, u64), (usize, Waker)>,
    last: u64,
}

impl Time {
    pub(crate) fn now(&self) -> Duration {
        self.lock().now
    }

    /// Returns the end of the next sleep of a node that this accepts.
    pub(crate) fn next(&self, is_running: impl Fn(usize) -> bool) -> Option<Duration> {
        let sleepers = self.lock();
        let mut waiting = sleepers.waiting.iter();
        waiting.find(|(_, (node, _))| is_running(*node)).map(|((until, _), _)| *until)
    }

    pub(crate) fn advance_to(&self, now: Duration) {
        let mut sleepers = self.lock();
        sleepers.now = sleepers.now.max(now);
        let later = sleepers.waiting.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut sleepers.waiting, later);
        drop(sleepers);
        due.into_values().for_each(|(_, waker)| waker.wake());
    }

    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock of a node.
#[derive(Debug, Clone)]
pub(crate) struct NodeClock {
    time: Time,
    node: usize,
    /// By how many milliseconds its wall clock is ahead.
    ahead: Arc<AtomicI64>,
}

impl NodeClock {
    pub(crate) fn new(time: &Time, node: usize, ahead: i64) -> Self {
        Self { time: time.clone(), node, ahead: Arc::new(AtomicI64::new(ahead)) }
    }

    /// Sets the wall clock, as an operator does.
    pub(crate) fn set_ahead(&self, millis: i64) {
        self.ahead.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.time.now().as_millis()).unwrap();
        Timestamp::from_millis(START + passed + self.ahead())
    }

    fn monotonic(&self) -> Duration {
        self.time.now()
    }

    fn sleep(&self, span: Duration) -> Sleep {
        let mut sleepers = self.time.lock();
        sleepers.last += 1;
        let key = (sleepers.now.saturating_add(span), sleepers.last);
        drop(sleepers);
        Box::pin(Sleeper { time: self.time.clone(), node: self.node, key })
    }
}

struct Sleeper {
    time: Time,
    node: usize,
    key: (Duration, u64),
}

impl Future for Sleeper {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut sleepers = self.time.lock();
        if sleepers.now >= self.key.0 {
            return Poll::Ready(());
        }
        sleepers.waiting.insert(self.key, (self.node, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.time.lock().waiting.remove(&self.key);
    }
}

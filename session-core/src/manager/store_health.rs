//! Whether the store answers: a request does not wait for one that is known to be away, and the
//! time that it was away counts for no idle timeout.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// After how many slow failures in a row calls are no longer let through.
const MAX_SLOW_FAILURES: u32 = 3;

/// From when on a failure is slow: it has kept a request waiting.
const SLOW: Duration = Duration::from_secs(1);

/// How often a call is let through to see whether the store is back.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest outage that counts for idle timeouts: users bridge a shorter one by trying again.
const MIN_OUTAGE: Duration = Duration::from_secs(10);

/// For how long after a failure the store counts as away if no call has asked it since.
const MAX_SILENCE: Duration = Duration::from_secs(120);

/// How many outages are remembered.
const MAX_OUTAGES: usize = 32;

/// What one process has seen of its store.
#[derive(Debug, Default)]
pub(super) struct StoreHealth(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    slow_failures: u32,
    /// The monotonic time of the last call that was let through while the store was away.
    probed_at: Duration,
    /// The outage that goes on, until its last failure.
    current: Option<Outage>,
    past: VecDeque<Outage>,
}

/// A span of time in which the store answered nothing, on the wall clock.
#[derive(Debug, Clone, Copy)]
struct Outage {
    from: Timestamp,
    until: Timestamp,
}

impl StoreHealth {
    /// Returns whether a call may be made: any while the store answers, otherwise one now and then.
    pub(super) fn allows_call(&self, monotonic: Duration) -> bool {
        let mut seen = self.lock();
        if seen.slow_failures < MAX_SLOW_FAILURES {
            return true;
        }
        let is_probe = monotonic.saturating_sub(seen.probed_at) >= PROBE_INTERVAL;
        if is_probe {
            seen.probed_at = monotonic;
        }
        is_probe
    }

    /// Notes that the store has answered, whatever the answer was.
    pub(super) fn note_answer(&self, now: Timestamp) {
        let mut seen = self.lock();
        seen.slow_failures = 0;
        let Some(outage) = seen.current.take() else { return };
        let until = now.min(outage.until + MAX_SILENCE);
        if until.since(outage.from) < MIN_OUTAGE {
            return;
        }
        if seen.past.len() == MAX_OUTAGES {
            seen.past.pop_front();
        }
        seen.past.push_back(Outage { until, ..outage });
    }

    /// Notes that the store did not answer a call that was made at `from` and took so long.
    pub(super) fn note_failure(&self, from: Timestamp, took: Duration, monotonic: Duration) {
        let mut seen = self.lock();
        if took >= SLOW {
            seen.slow_failures = seen.slow_failures.saturating_add(1);
            seen.probed_at = seen.probed_at.max(monotonic);
        }
        let until = from + took;
        let outage = seen.current.get_or_insert(Outage { from, until });
        outage.from = outage.from.min(from);
        outage.until = outage.until.max(until);
    }

    /// Returns the last use from which an idle timeout counts: put off by the time that the store
    /// was away, in which a user could not use the session.
    pub(super) fn idle_since(&self, last_seen_at: Timestamp) -> Timestamp {
        let seen = self.lock();
        let later = seen.past.iter().filter(|outage| outage.until > last_seen_at);
        later.fold(last_seen_at, |idle_since, outage| {
            idle_since + outage.until.since(outage.from.max(last_seen_at))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! When a tool client's connection that is not used is renewed, so that its provider does not forget
//! it.

use std::time::Duration;

use crate::clock::Timestamp;

/// By which part of the interval a renewal is brought forward at most, so that connections that were
/// made together are not renewed together (F30).
const MAX_JITTER: u32 = 8;

/// Returns when a connection that was renewed at `renewed_at` is renewed again: at most an eighth
/// before the interval is over. `spread` tells sessions apart.
///
/// ```
/// use session_core::Timestamp;
/// use session_core::policy::keep_alive::due_at;
/// use std::time::Duration;
///
/// let (renewed, day) = (Timestamp::from_millis(0), Duration::from_secs(24 * 3600));
/// assert_eq!(due_at(renewed, day * 8, 0), renewed + day * 8);
/// assert!(due_at(renewed, day * 8, 1023) >= renewed + day * 7);
/// ```
#[must_use]
pub fn due_at(renewed_at: Timestamp, interval: Duration, spread: u64) -> Timestamp {
    let share = u32::try_from(spread % 1024).unwrap_or(0);
    renewed_at + interval - interval / MAX_JITTER / 1024 * share
}

/// Returns the last time of a renewal of connections that may be due at `now`.
#[must_use]
pub fn due_since(interval: Duration, now: Timestamp) -> Timestamp {
    now - (interval - interval / MAX_JITTER)
}

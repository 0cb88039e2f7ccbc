//! The idle and the absolute timeout (OWASP); the access token's expiry is neither.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::session::EndReason;

/// How long a session lives without use, and how long at all; `None` means without bound.
///
/// ```
/// use session_core::policy::Timeouts;
/// use session_core::{EndReason, Timestamp};
/// use std::time::Duration;
///
/// let minute = Duration::from_secs(60);
/// let timeouts = Timeouts { idle: Some(minute), absolute: Some(minute * 3) };
/// let login = Timestamp::from_millis(0);
/// assert_eq!(timeouts.reached(login, login, login + minute / 2), None);
/// assert_eq!(timeouts.reached(login, login, login + minute), Some(EndReason::Idle));
/// let active = login + minute * 3;
/// assert_eq!(timeouts.reached(login, active, active), Some(EndReason::Absolute));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// The longest time without use.
    pub idle: Option<Duration>,
    /// The longest time in all.
    pub absolute: Option<Duration>,
}

impl Timeouts {
    /// Returns the timeout that a session has reached at `now`, if any; the absolute one takes
    /// precedence over the idle one.
    #[must_use]
    pub fn reached(
        &self,
        timeouts_from: Timestamp,
        last_seen_at: Timestamp,
        now: Timestamp,
    ) -> Option<EndReason> {
        let over = |limit: Option<Duration>, from: Timestamp| {
            limit.is_some_and(|limit| now >= from + limit)
        };
        if over(self.absolute, timeouts_from) {
            Some(EndReason::Absolute)
        } else if over(self.idle, last_seen_at) {
            Some(EndReason::Idle)
        } else {
            None
        }
    }

    /// Returns when the session reaches its first timeout if it is not used; `None` if never.
    #[must_use]
    pub fn deadline(&self, timeouts_from: Timestamp, last_seen_at: Timestamp) -> Option<Timestamp> {
        let idle = self.idle.map(|idle| last_seen_at + idle);
        let absolute = self.absolute_deadline(timeouts_from);
        match (idle, absolute) {
            (Some(idle), Some(absolute)) => Some(idle.min(absolute)),
            (idle, absolute) => idle.or(absolute),
        }
    }

    /// Returns when the session ends however much it is used; `None` if never.
    #[must_use]
    pub fn absolute_deadline(&self, timeouts_from: Timestamp) -> Option<Timestamp> {
        self.absolute.map(|absolute| timeouts_from + absolute)
    }
}

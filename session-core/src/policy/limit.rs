//! How many sessions may be live at the same time, and which are evicted for one more.

use std::num::NonZeroU32;

use crate::clock::Timestamp;
use crate::session::{EndReason, SessionId};

/// How many sessions of one partition may be live at the same time.
///
/// A cap is a non-zero number: there is no zero that could mean "none" or "unlimited" (F20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// At most `max`.
    AtMost {
        /// The cap.
        max: NonZeroU32,
        /// What a sign-in at the cap does.
        on_full: OnFull,
    },
    /// One, which a new sign-in replaces; for tool clients.
    Replace,
    /// Without a cap.
    Unlimited,
}

/// What a sign-in at the cap does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// Evicts the sessions that were not used for the longest time.
    EvictLeastRecentlyUsed,
    /// Evicts the sessions that were admitted first.
    #[default]
    EvictOldest,
    /// Refuses the sign-in; the user can be shown which sessions to end.
    Reject,
}

/// A session that was admitted to a partition, as far as the policy needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmittedSession {
    /// The session.
    pub id: SessionId,
    /// Its position in the order of admission: a counter, because the clocks of nodes differ (store
    /// law 1).
    pub admission: u64,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// From when its absolute timeout counts.
    pub timeouts_from: Timestamp,
}

/// A session that is evicted, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// The session.
    pub id: SessionId,
    /// Why it is evicted.
    pub reason: EndReason,
}

/// The policy's decision on one more session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum Verdict {
    /// It is admitted, and these are evicted.
    Admit(Vec<Eviction>),
    /// It is refused, because the cap is reached.
    Refuse {
        /// The number of live sessions.
        live: usize,
    },
}

impl Limit {
    /// Decides which of the live sessions are evicted so that one more fits, or refuses it.
    ///
    /// Evicts all excess at once, so that a partition over its cap is within it after the next
    /// sign-in (F18). The order is total: the order of admission decides between equal times.
    ///
    /// ```
    /// use session_core::policy::{Limit, AdmittedSession, Verdict};
    /// use session_core::{EndReason, SessionId, Timestamp};
    ///
    /// let now = Timestamp::from_millis(0);
    /// let id = SessionId::generate(now);
    /// let old = AdmittedSession { id, admission: 1, last_seen_at: now, timeouts_from: now };
    /// let Verdict::Admit(evicted) = Limit::Replace.admit(&[old]) else { unreachable!() };
    /// assert_eq!(evicted[0].reason, EndReason::Replaced);
    /// ```
    pub fn admit(self, live: &[AdmittedSession]) -> Verdict {
        match self {
            Self::Unlimited => Verdict::Admit(Vec::new()),
            Self::Replace => Verdict::Admit(evictions(live, EndReason::Replaced)),
            Self::AtMost { max, on_full } => admit_at_most(max, on_full, live),
        }
    }

    /// Returns the evictions that bring a partition within this cap, for rows that were written
    /// without it.
    ///
    /// The order is that of [`admit`](Self::admit). A cap that refuses sign-ins cannot refuse
    /// sessions that exist: it evicts the oldest.
    ///
    /// ```
    /// use session_core::policy::{Limit, AdmittedSession};
    /// use session_core::{EndReason, SessionId, Timestamp};
    ///
    /// let now = Timestamp::from_millis(0);
    /// let admitted = |admission| AdmittedSession {
    ///     id: SessionId::generate(now),
    ///     admission,
    ///     last_seen_at: now,
    ///     timeouts_from: now,
    /// };
    /// let (old, new) = (admitted(1), admitted(2));
    /// let evicted = Limit::Replace.excess(&[new, old]);
    /// assert_eq!(evicted.len(), 1);
    /// assert_eq!((evicted[0].id, evicted[0].reason), (old.id, EndReason::Replaced));
    /// assert!(Limit::Unlimited.excess(&[new, old]).is_empty());
    /// ```
    #[must_use]
    pub fn excess(self, present: &[AdmittedSession]) -> Vec<Eviction> {
        let (max, on_full, reason) = match self {
            Self::Unlimited => return Vec::new(),
            Self::Replace => (1, OnFull::EvictOldest, EndReason::Replaced),
            Self::AtMost { max, on_full } => (cap(max), on_full, EndReason::Evicted),
        };
        let excess = present.len().saturating_sub(max);
        evictions(&first_to_evict(on_full, present, excess), reason)
    }
}

fn admit_at_most(max: NonZeroU32, on_full: OnFull, live: &[AdmittedSession]) -> Verdict {
    let excess = (live.len() + 1).saturating_sub(cap(max));
    match on_full {
        OnFull::Reject if excess > 0 => Verdict::Refuse { live: live.len() },
        _ => Verdict::Admit(evictions(&first_to_evict(on_full, live, excess), EndReason::Evicted)),
    }
}

fn cap(max: NonZeroU32) -> usize {
    usize::try_from(max.get()).unwrap_or(usize::MAX)
}

/// Returns the first `excess` sessions in the order of eviction.
fn first_to_evict(
    on_full: OnFull,
    live: &[AdmittedSession],
    excess: usize,
) -> Vec<AdmittedSession> {
    if excess == 0 {
        return Vec::new();
    }
    let mut evicted = live.to_vec();
    match on_full {
        OnFull::EvictLeastRecentlyUsed => {
            evicted.sort_by_key(|s| (s.last_seen_at, s.admission, s.id));
        }
        OnFull::EvictOldest | OnFull::Reject => evicted.sort_by_key(|s| (s.admission, s.id)),
    }
    evicted.truncate(excess);
    evicted
}

fn evictions(evicted: &[AdmittedSession], reason: EndReason) -> Vec<Eviction> {
    evicted.iter().map(|session| Eviction { id: session.id, reason }).collect()
}

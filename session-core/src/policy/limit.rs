//! How many sessions may live side by side, and who leaves when one more comes in.

use std::num::NonZeroU32;

use crate::clock::Timestamp;
use crate::session::{EndReason, SessionId};

/// How many sessions may live side by side in one partition.
///
/// A cap is a non-zero number: there is no zero that could mean "none" or "unlimited" (F20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// At most so many.
    AtMost {
        /// The cap.
        max: NonZeroU32,
        /// What happens at the cap.
        on_full: OnFull,
    },
    /// One, and a new login takes its place: for tool clients.
    Replace,
    /// As many as there are logins.
    Unlimited,
}

/// What a login at the cap does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnFull {
    /// The sessions that were not used for the longest time leave.
    EvictLeastRecentlyUsed,
    /// The sessions that were admitted first leave.
    #[default]
    EvictOldest,
    /// The login is refused, and the person is shown which sessions to end.
    Reject,
}

/// What the policy needs to know of a session that holds a place in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmittedSession {
    /// The session.
    pub id: SessionId,
    /// Its place in the order of admission: a counter, for clocks of nodes differ (store law 1).
    pub admission: u64,
    /// When it was last used.
    pub last_seen_at: Timestamp,
    /// From when its absolute timeout counts.
    pub timeouts_from: Timestamp,
}

/// A session that leaves, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// The session.
    pub id: SessionId,
    /// Why it leaves.
    pub reason: EndReason,
}

/// What the policy says of one more session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It comes in, and these leave.
    Admit(Vec<Eviction>),
    /// It does not come in: so many live ones hold every place.
    Refuse {
        /// The number of live sessions.
        live: usize,
    },
}

impl Limit {
    /// Who of the live sessions leaves so that one more fits, or that it does not.
    ///
    /// All excess leaves at once, so that a table over its cap converges at the next login (F18).
    /// The order is total: equal times are decided by the order of admission.
    ///
    /// ```
    /// use session_core::policy::{Limit, AdmittedSession, Verdict};
    /// use session_core::{EndReason, SessionId, Timestamp};
    ///
    /// let now = Timestamp::from_millis(0);
    /// let id = SessionId::generate(now);
    /// let old = AdmittedSession { id, admission: 1, last_seen_at: now, timeouts_from: now };
    /// let Verdict::Admit(leaving) = Limit::Replace.admit(&[old]) else { unreachable!() };
    /// assert_eq!(leaving[0].reason, EndReason::Replaced);
    /// ```
    pub fn admit(self, live: &[AdmittedSession]) -> Verdict {
        match self {
            Self::Unlimited => Verdict::Admit(Vec::new()),
            Self::Replace => Verdict::Admit(departures(live, EndReason::Replaced)),
            Self::AtMost { max, on_full } => admit_at_most(max, on_full, live),
        }
    }

    /// Who leaves so that those who are present fit, where nobody comes in: for a table that was
    /// filled without this cap.
    ///
    /// The order is the one of [`admit`](Self::admit). A cap that refuses logins cannot refuse what
    /// is there already: the oldest leave.
    ///
    /// ```
    /// use session_core::policy::{Limit, AdmittedSession};
    /// use session_core::{EndReason, SessionId, Timestamp};
    ///
    /// let now = Timestamp::from_millis(0);
    /// let occupant = |admission| AdmittedSession {
    ///     id: SessionId::generate(now),
    ///     admission,
    ///     last_seen_at: now,
    ///     timeouts_from: now,
    /// };
    /// let (old, new) = (occupant(1), occupant(2));
    /// let leaving = Limit::Replace.excess(&[new, old]);
    /// assert_eq!(leaving.len(), 1);
    /// assert_eq!((leaving[0].id, leaving[0].reason), (old.id, EndReason::Replaced));
    /// assert!(Limit::Unlimited.excess(&[new, old]).is_empty());
    /// ```
    #[must_use]
    pub fn excess(self, present: &[AdmittedSession]) -> Vec<Eviction> {
        let (places, on_full, reason) = match self {
            Self::Unlimited => return Vec::new(),
            Self::Replace => (1, OnFull::EvictOldest, EndReason::Replaced),
            Self::AtMost { max, on_full } => (places(max), on_full, EndReason::Evicted),
        };
        let excess = present.len().saturating_sub(places);
        departures(&first_to_leave(on_full, present, excess), reason)
    }
}

fn admit_at_most(max: NonZeroU32, on_full: OnFull, live: &[AdmittedSession]) -> Verdict {
    let excess = (live.len() + 1).saturating_sub(places(max));
    match on_full {
        OnFull::Reject if excess > 0 => Verdict::Refuse { live: live.len() },
        _ => Verdict::Admit(departures(&first_to_leave(on_full, live, excess), EndReason::Evicted)),
    }
}

fn places(max: NonZeroU32) -> usize {
    usize::try_from(max.get()).unwrap_or(usize::MAX)
}

/// So many of these, in the one order in which sessions leave.
fn first_to_leave(
    on_full: OnFull,
    live: &[AdmittedSession],
    excess: usize,
) -> Vec<AdmittedSession> {
    if excess == 0 {
        return Vec::new();
    }
    let mut leaving = live.to_vec();
    match on_full {
        OnFull::EvictLeastRecentlyUsed => {
            leaving.sort_by_key(|s| (s.last_seen_at, s.admission, s.id));
        }
        OnFull::EvictOldest | OnFull::Reject => leaving.sort_by_key(|s| (s.admission, s.id)),
    }
    leaving.truncate(excess);
    leaving
}

fn departures(leaving: &[AdmittedSession], reason: EndReason) -> Vec<Eviction> {
    leaving.iter().map(|occupant| Eviction { id: occupant.id, reason }).collect()
}

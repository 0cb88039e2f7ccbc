//! The policy: pure decisions over plain facts, with no I/O and no clock of its own.

mod builder;
mod expiry;
mod limit;
mod renewal;
pub mod rotation;
mod rule;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use builder::{PolicyBuilder, PolicyError};
pub use expiry::Timeouts;
pub use limit::{AdmittedSession, Eviction, Limit, OnFull, Verdict};
pub use renewal::{Freshness, Milestones, Renewal};
pub use rule::Rule;
pub(crate) use rule::{fits, is_pattern, narrowness};

use crate::clock::Timestamp;
use crate::session::{EndReason, ProviderName, Session};

/// How many sessions a user may have, how long they live, and when their tokens are renewed.
///
/// Ten per user and provider, the oldest leaving, by default; a week without use, thirty days in
/// all (NIST SP 800-63B-4 at AAL1).
///
/// ```
/// use session_core::policy::{OnFull, Rule, SessionPolicy};
/// use std::time::Duration;
///
/// let policy = SessionPolicy::builder()
///     .max_sessions(10)
///     .on_full(OnFull::EvictLeastRecentlyUsed)
///     .idle_timeout(Duration::from_secs(24 * 3600))
///     .rule(Rule::for_provider("mcp:*").replace())
///     .build()
///     .unwrap();
/// assert_eq!(policy.max_staleness(), Duration::from_secs(5));
///
/// let error = SessionPolicy::builder().max_sessions(0).build().unwrap_err();
/// assert_eq!(error.field(), "max_sessions");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicy {
    limit: Limit,
    timeouts: Timeouts,
    /// The narrowest pattern first.
    rules: Vec<CheckedRule>,
    renewal: Renewal,
    max_staleness: Duration,
    touch_interval: Duration,
    retention: Duration,
    store_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CheckedRule {
    pattern: String,
    limit: Limit,
    timeouts: Timeouts,
}

impl SessionPolicy {
    /// A builder with the defaults.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// How many sessions of this provider a user may have.
    #[must_use]
    pub fn limit(&self, provider: &ProviderName) -> Limit {
        self.rule(provider).map_or(self.limit, |rule| rule.limit)
    }

    /// How long a session of this provider lives.
    #[must_use]
    pub fn timeouts(&self, provider: &ProviderName) -> Timeouts {
        self.rule(provider).map_or(self.timeouts, |rule| rule.timeouts)
    }

    /// Who leaves so that one more session of this provider fits, or that it does not.
    ///
    /// Sessions that have reached a timeout leave for that reason and hold no place (F21).
    pub fn admit(
        &self,
        provider: &ProviderName,
        present: &[AdmittedSession],
        now: Timestamp,
    ) -> Verdict {
        let timeouts = self.timeouts(provider);
        let reached = |s: &AdmittedSession| timeouts.reached(s.timeouts_from, s.last_seen_at, now);
        let live: Vec<AdmittedSession> =
            present.iter().filter(|occupant| reached(occupant).is_none()).copied().collect();
        let timed_out = present.iter().filter_map(|occupant| {
            reached(occupant).map(|reason| Eviction { id: occupant.id, reason })
        });
        match self.limit(provider).admit(&live) {
            Verdict::Admit(leaving) => Verdict::Admit(timed_out.chain(leaving).collect()),
            refused @ Verdict::Refuse { .. } => refused,
        }
    }

    /// Who leaves so that the present sessions of this provider fit, where nobody comes in.
    ///
    /// No timeout is asked for: a moved session counts both from its import.
    #[must_use]
    pub fn excess(&self, provider: &ProviderName, present: &[AdmittedSession]) -> Vec<Eviction> {
        self.limit(provider).excess(present)
    }

    /// Which timeout this session has reached at `now`, if it was last used at `last_seen_at`.
    #[must_use]
    pub fn timed_out(
        &self,
        session: &Session,
        last_seen_at: Timestamp,
        now: Timestamp,
    ) -> Option<EndReason> {
        self.timeouts(&session.provider).reached(session.timeouts_from, last_seen_at, now)
    }

    /// When tokens are renewed.
    #[must_use]
    pub const fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    /// For how long a cached session may be served after its row was read.
    #[must_use]
    pub const fn max_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// How much time lies at least between two writes of a session's last use.
    #[must_use]
    pub const fn touch_interval(&self) -> Duration {
        self.touch_interval
    }

    /// For how long ended sessions and events stay readable.
    #[must_use]
    pub const fn retention(&self) -> Duration {
        self.retention
    }

    /// How long a request waits for the store before it counts as away.
    #[must_use]
    pub const fn store_timeout(&self) -> Duration {
        self.store_timeout
    }

    /// The shortest idle and the shortest absolute timeout of any provider.
    #[must_use]
    pub fn shortest_timeouts(&self) -> Timeouts {
        let all = || std::iter::once(self.timeouts).chain(self.rules.iter().map(|r| r.timeouts));
        Timeouts {
            idle: all().filter_map(|timeouts| timeouts.idle).min(),
            absolute: all().filter_map(|timeouts| timeouts.absolute).min(),
        }
    }

    fn rule(&self, provider: &ProviderName) -> Option<&CheckedRule> {
        self.rules.iter().find(|rule| fits(&rule.pattern, provider.as_str()))
    }
}

//! The policy: pure decisions on plain values, without I/O and without a clock.

pub mod authentication;
mod builder;
mod expiry;
pub mod keep_alive;
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
pub use renewal::{Freshness, Renewal, RenewalSchedule};
pub use rule::{ProviderSelection, Rule};
pub(crate) use rule::{is_pattern, matches_pattern, specificity};

use crate::clock::Timestamp;
use crate::event::EventName;
use crate::session::{EndReason, ProviderName, Session};

/// How many sessions a user may have, how long they live, and when their tokens are renewed.
///
/// By default ten per user and provider, of which the oldest is evicted; a week without use, and
/// thirty days in all (NIST SP 800-63B-4 at AAL1).
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
    /// Sorted by pattern, the most specific first.
    rules: Vec<CheckedRule>,
    renewal: Renewal,
    max_staleness: Duration,
    follow_interval: Duration,
    touch_interval: Duration,
    retention: Duration,
    renewal_event_retention: Duration,
    store_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct CheckedRule {
    pattern: String,
    limit: Limit,
    timeouts: Timeouts,
    /// How often connections that are not used are renewed.
    keep_alive: Option<Duration>,
}

impl SessionPolicy {
    /// Returns how many sessions of this provider a user may have.
    #[must_use]
    pub fn limit(&self, provider: &ProviderName) -> Limit {
        self.rule(provider).map_or(self.limit, |rule| rule.limit)
    }

    /// Returns how long a session of this provider lives.
    #[must_use]
    pub fn timeouts(&self, provider: &ProviderName) -> Timeouts {
        self.rule(provider).map_or(self.timeouts, |rule| rule.timeouts)
    }

    /// Decides which sessions are evicted so that one more of this provider fits, or refuses it.
    ///
    /// Sessions that have reached a timeout end for that reason and do not count (F21).
    pub fn admit(
        &self,
        provider: &ProviderName,
        present: &[AdmittedSession],
        now: Timestamp,
    ) -> Verdict {
        let timeouts = self.timeouts(provider);
        let reached = |s: &AdmittedSession| timeouts.reached(s.timeouts_from, s.last_seen_at, now);
        let live: Vec<AdmittedSession> =
            present.iter().filter(|session| reached(session).is_none()).copied().collect();
        let timed_out = present.iter().filter_map(|session| {
            reached(session).map(|reason| Eviction { id: session.id, reason })
        });
        match self.limit(provider).admit(&live) {
            Verdict::Admit(evicted) => Verdict::Admit(timed_out.chain(evicted).collect()),
            refused @ Verdict::Refuse { .. } => refused,
        }
    }

    /// Returns the evictions that bring these sessions of this provider within the cap.
    ///
    /// Timeouts are not considered: those of a migrated session count from its import.
    #[must_use]
    pub fn excess(&self, provider: &ProviderName, present: &[AdmittedSession]) -> Vec<Eviction> {
        self.limit(provider).excess(present)
    }

    /// Returns the timeout that a session has reached at `now`, given its last use.
    #[must_use]
    pub fn timed_out(
        &self,
        session: &Session,
        last_seen_at: Timestamp,
        now: Timestamp,
    ) -> Option<EndReason> {
        self.timeouts(&session.provider).reached(session.timeouts_from, last_seen_at, now)
    }

    /// Returns when a session ends however much it is used; `None` if never.
    #[must_use]
    pub fn absolute_deadline(&self, session: &Session) -> Option<Timestamp> {
        self.timeouts(&session.provider).absolute_deadline(session.timeouts_from)
    }

    /// Returns the settings of renewals.
    #[must_use]
    pub const fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    /// Returns for how long a cached session may be served after its row was read.
    #[must_use]
    pub const fn max_staleness(&self) -> Duration {
        self.max_staleness
    }

    /// Returns how often a process looks for ends and renewals on other nodes.
    #[must_use]
    pub const fn follow_interval(&self) -> Duration {
        self.follow_interval
    }

    /// Returns the shortest time between two writes of a session's last use.
    #[must_use]
    pub const fn touch_interval(&self) -> Duration {
        self.touch_interval
    }

    /// Returns for how long ended sessions stay readable, and the events of their lives.
    #[must_use]
    pub const fn retention(&self) -> Duration {
        self.retention
    }

    /// Returns for how long events of this name stay readable.
    #[must_use]
    pub const fn event_retention(&self, name: EventName) -> Duration {
        match name {
            EventName::Created | EventName::Ended | EventName::SteppedUp => self.retention,
            EventName::Renewed | EventName::RenewalFailed => self.renewal_event_retention,
        }
    }

    /// Returns how long a call waits for the store before it counts as unavailable.
    #[must_use]
    pub const fn store_timeout(&self) -> Duration {
        self.store_timeout
    }

    /// Returns how often connections of this provider that are not used are renewed; `None` if they
    /// are not.
    #[must_use]
    pub fn keep_alive(&self, provider: &ProviderName) -> Option<Duration> {
        self.rule(provider).and_then(|rule| rule.keep_alive)
    }

    /// Returns the intervals of keep-alive, each with the providers that it is for.
    #[must_use]
    pub fn keep_alive_rules(&self) -> Vec<(ProviderSelection, Duration)> {
        let selections = self.timeout_rules().into_iter().map(|(providers, _)| providers);
        let intervals = self.rules.iter().map(|rule| rule.keep_alive);
        selections.zip(intervals).filter_map(|(of, interval)| Some((of, interval?))).collect()
    }

    /// Returns the timeouts of each rule with the providers that it decides about, and then the
    /// policy's own with all other providers.
    #[must_use]
    pub fn timeout_rules(&self) -> Vec<(ProviderSelection, Timeouts)> {
        let patterns: Vec<&str> = self.rules.iter().map(|rule| rule.pattern.as_str()).collect();
        let of_rules = self.rules.iter().enumerate().map(|(index, rule)| {
            // The rules before it are more specific.
            let before = patterns.iter().take(index).copied();
            (ProviderSelection::matching(&*rule.pattern).except(before), rule.timeouts)
        });
        let others = ProviderSelection::all().except(patterns.iter().copied());
        of_rules.chain([(others, self.timeouts)]).collect()
    }

    /// Returns the shortest idle and the shortest absolute timeout of any provider.
    #[must_use]
    pub fn shortest_timeouts(&self) -> Timeouts {
        let all = || std::iter::once(self.timeouts).chain(self.rules.iter().map(|r| r.timeouts));
        Timeouts {
            idle: all().filter_map(|timeouts| timeouts.idle).min(),
            absolute: all().filter_map(|timeouts| timeouts.absolute).min(),
        }
    }

    fn rule(&self, provider: &ProviderName) -> Option<&CheckedRule> {
        self.rules.iter().find(|rule| matches_pattern(&rule.pattern, provider.as_str()))
    }
}

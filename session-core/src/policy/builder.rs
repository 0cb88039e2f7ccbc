//! Builds a policy, and names the field of an invalid configuration.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::limit::{Limit, OnFull};
use super::rule::{LimitKind, LimitSetting, Rule, is_pattern, specificity};
use super::{CheckedRule, Renewal, SessionPolicy, Timeouts};

const DEFAULT_MAX_SESSIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// # Building a policy
impl SessionPolicy {
    /// Returns a builder with the defaults.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }
}

/// Builds a [`SessionPolicy`].
#[derive(Debug, Clone)]
#[must_use]
pub struct PolicyBuilder {
    limit: LimitSetting,
    timeouts: Timeouts,
    rules: Vec<Rule>,
    renewal: Renewal,
    max_concurrent_renewals: Option<usize>,
    max_staleness: Duration,
    follow_interval: Duration,
    touch_interval: Option<Duration>,
    retention: Duration,
    renewal_event_retention: Option<Duration>,
    store_timeout: Duration,
}

impl Default for PolicyBuilder {
    fn default() -> Self {
        Self {
            limit: LimitSetting::default(),
            timeouts: Timeouts { idle: Some(7 * DAY), absolute: Some(30 * DAY) },
            rules: Vec::new(),
            renewal: Renewal::default(),
            max_concurrent_renewals: None,
            max_staleness: Duration::from_secs(5),
            follow_interval: Duration::from_millis(200),
            touch_interval: None,
            retention: 30 * DAY,
            renewal_event_retention: None,
            store_timeout: Duration::from_secs(5),
        }
    }
}

impl PolicyBuilder {
    /// Sets the cap: how many sessions a user may have per provider and subject (default: 10).
    pub const fn max_sessions(mut self, max: u32) -> Self {
        self.limit.kind = Some(LimitKind::AtMost(max));
        self
    }

    /// Sets what a sign-in at the cap does (default: evict the oldest).
    pub const fn on_full(mut self, on_full: OnFull) -> Self {
        self.limit.on_full = Some(on_full);
        self
    }

    /// Removes the cap.
    pub const fn unlimited(mut self) -> Self {
        self.limit.kind = Some(LimitKind::Unlimited);
        self
    }

    /// Allows one session, which a new sign-in replaces.
    pub const fn replace(mut self) -> Self {
        self.limit.kind = Some(LimitKind::Replace);
        self
    }

    /// Adds a rule for a provider, or for all providers that match a pattern.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Sets the longest time without use (default: 7 days).
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.idle = Some(timeout);
        self
    }

    /// Removes the bound on the time without use.
    pub const fn without_idle_timeout(mut self) -> Self {
        self.timeouts.idle = None;
        self
    }

    /// Sets the longest time in all (default: 30 days).
    pub const fn absolute_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.absolute = Some(timeout);
        self
    }

    /// Removes the bound on the time in all.
    pub const fn without_absolute_timeout(mut self) -> Self {
        self.timeouts.absolute = None;
        self
    }

    /// Sets how long before its expiry a token is renewed (default: 60 s; never more than a quarter
    /// of its lifetime).
    pub const fn renewal_leeway(mut self, leeway: Duration) -> Self {
        self.renewal.leeway = leeway;
        self
    }

    /// Sets by how much more, at most, a renewal is brought forward (default: 10 s).
    pub const fn renewal_jitter(mut self, jitter: Duration) -> Self {
        self.renewal.jitter = jitter;
        self
    }

    /// Sets the lifetime of a token whose provider gives none (default: one hour).
    pub const fn assumed_lifetime(mut self, lifetime: Duration) -> Self {
        self.renewal.assumed_lifetime = lifetime;
        self
    }

    /// Sets the shortest time between two renewals after rejections (default: 10 s).
    pub const fn min_renewal_interval(mut self, interval: Duration) -> Self {
        self.renewal.min_interval = interval;
        self
    }

    /// Sets how long a provider may take to answer (default: 10 s).
    pub const fn provider_timeout(mut self, timeout: Duration) -> Self {
        self.renewal.provider_timeout = timeout;
        self
    }

    /// Sets the term of a lease (default: 40 s): at least twice the provider's timeout, and eight
    /// times the store's, so that an owner whose calls to the store hang does not lose it.
    pub const fn lease_term(mut self, term: Duration) -> Self {
        self.renewal.lease_term = term;
        self
    }

    /// Sets how long a request whose token has expired waits for the new one (default: 10 s).
    pub const fn max_renewal_wait(mut self, wait: Duration) -> Self {
        self.renewal.max_wait = wait;
        self
    }

    /// Sets how many renewals may ask one provider at the same time (default: 16). Zero is refused
    /// when the policy is built.
    pub const fn max_concurrent_renewals(mut self, max: usize) -> Self {
        self.max_concurrent_renewals = Some(max);
        self
    }

    /// Sets for how long a cached session is served after its row was read (default: 5 s; zero reads
    /// it at each request).
    ///
    /// Within this time a session that ends in one process has ended in every other, also if the
    /// other process cannot reach the store; most often it has much sooner, see
    /// [`follow_interval`](Self::follow_interval).
    pub const fn max_staleness(mut self, staleness: Duration) -> Self {
        self.max_staleness = staleness;
        self
    }

    /// Sets how often a process looks for ends and renewals on other nodes, by one query, while it
    /// holds sessions (default: 200 ms). With a [broadcast](crate::broadcast) it hears of them at
    /// once, and looks only every `max_staleness`.
    ///
    /// So fast as long as the clocks of all nodes agree to within two seconds; what comes later is
    /// found within `max_staleness`.
    pub const fn follow_interval(mut self, interval: Duration) -> Self {
        self.follow_interval = interval;
        self
    }

    /// Sets the shortest time between two writes of a session's last use (default: a
    /// tenth of the shortest idle timeout, but between one and five minutes, or a quarter of that
    /// timeout if that is less).
    pub const fn touch_interval(mut self, interval: Duration) -> Self {
        self.touch_interval = Some(interval);
        self
    }

    /// Sets for how long ended sessions stay readable, and the events of their lives (default: 30
    /// days).
    pub const fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Sets for how long the events of renewals stay readable, of which a session has many (default:
    /// three days, or the retention if that is less).
    pub const fn renewal_event_retention(mut self, retention: Duration) -> Self {
        self.renewal_event_retention = Some(retention);
        self
    }

    /// Sets how long a call waits for the store before it counts as unavailable (default: 5 s).
    pub const fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// Returns a [`PolicyError`] that names the first invalid field: a cap of zero, a timeout of
    /// zero, a touch interval above a quarter of an idle timeout, a lease term below twice the
    /// provider's timeout or eight times the store's, no concurrent renewals, a keep-alive of
    /// zero, without an absolute timeout or not shorter than the idle timeout, a pattern with a `*` that is not at its end, or two rules with the same
    /// pattern.
    pub fn build(self) -> Result<SessionPolicy, PolicyError> {
        let default = Limit::AtMost { max: DEFAULT_MAX_SESSIONS, on_full: OnFull::default() };
        let limit = self.limit.checked(default).ok_or(CAP_OF_ZERO)?;
        check_timeouts(self.timeouts)?;
        check_renewal(&self.renewal, self.store_timeout)?;
        let renewal = with_max_concurrent(self.renewal, self.max_concurrent_renewals)?;
        check(!self.store_timeout.is_zero(), "store_timeout", "must not be zero")?;
        let mut rules = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            rules.push(check_rule(rule, limit, self.timeouts)?);
        }
        rules.sort_by_key(|rule: &CheckedRule| std::cmp::Reverse(specificity(&rule.pattern)));
        let mut patterns: Vec<&str> = rules.iter().map(|rule| rule.pattern.as_str()).collect();
        patterns.sort_unstable();
        patterns.dedup();
        check(patterns.len() == rules.len(), "rule", "has the same pattern as another rule")?;
        let mut policy = SessionPolicy {
            limit,
            timeouts: self.timeouts,
            rules,
            renewal,
            max_staleness: self.max_staleness,
            follow_interval: self.follow_interval,
            touch_interval: Duration::ZERO,
            retention: self.retention,
            renewal_event_retention: self
                .renewal_event_retention
                .unwrap_or_else(|| self.retention.min(3 * DAY)),
            store_timeout: self.store_timeout,
        };
        policy.touch_interval = touch_interval(self.touch_interval, &policy)?;
        Ok(policy)
    }
}

const CAP_OF_ZERO: PolicyError =
    PolicyError { field: "max_sessions", problem: "must not be zero; use unlimited for no cap" };

fn check(holds: bool, field: &'static str, problem: &'static str) -> Result<(), PolicyError> {
    if holds { Ok(()) } else { Err(PolicyError { field, problem }) }
}

fn check_timeouts(timeouts: Timeouts) -> Result<(), PolicyError> {
    check(timeouts.idle != Some(Duration::ZERO), "idle_timeout", "must not be zero")?;
    check(timeouts.absolute != Some(Duration::ZERO), "absolute_timeout", "must not be zero")
}

fn check_renewal(renewal: &Renewal, store_timeout: Duration) -> Result<(), PolicyError> {
    check(!renewal.provider_timeout.is_zero(), "provider_timeout", "must not be zero")?;
    check(!renewal.assumed_lifetime.is_zero(), "assumed_lifetime", "must not be zero")?;
    // Half a term may pass between two heartbeats, and the provider's timeout must fit in the rest.
    let is_long_enough = renewal.lease_term >= renewal.provider_timeout.saturating_mul(2);
    check(is_long_enough, "lease_term", "must be at least twice the provider's timeout")?;
    // Three heartbeats in a row may hang, and the fourth must arrive within the term.
    let is_long_enough = renewal.lease_term >= store_timeout.saturating_mul(8);
    check(is_long_enough, "lease_term", "must be at least eight times the store's timeout")
}

fn with_max_concurrent(renewal: Renewal, max: Option<usize>) -> Result<Renewal, PolicyError> {
    let Some(max) = max else { return Ok(renewal) };
    let field = "max_concurrent_renewals";
    let max_concurrent =
        NonZeroUsize::new(max).ok_or(PolicyError { field, problem: "must not be zero" })?;
    Ok(Renewal { max_concurrent, ..renewal })
}

fn check_rule(rule: &Rule, limit: Limit, timeouts: Timeouts) -> Result<CheckedRule, PolicyError> {
    check(
        is_pattern(&rule.pattern),
        "rule",
        "has a pattern that is empty, or has a * that is not at its end",
    )?;
    let limit = rule.limit.checked(limit).ok_or(CAP_OF_ZERO)?;
    let timeouts = Timeouts {
        idle: rule.idle.unwrap_or(timeouts.idle),
        absolute: rule.absolute.unwrap_or(timeouts.absolute),
    };
    check_timeouts(timeouts)?;
    check_keep_alive(rule.keep_alive, timeouts)?;
    let (pattern, keep_alive) = (rule.pattern.clone(), rule.keep_alive);
    Ok(CheckedRule { pattern, limit, timeouts, keep_alive })
}

/// Nothing is kept alive for ever, and nothing that times out before it is renewed.
fn check_keep_alive(interval: Option<Duration>, timeouts: Timeouts) -> Result<(), PolicyError> {
    let Some(interval) = interval else { return Ok(()) };
    check(!interval.is_zero(), "keep_alive", "must not be zero")?;
    check(timeouts.absolute.is_some(), "keep_alive", "needs an absolute timeout")?;
    let is_in_time = timeouts.idle.is_none_or(|idle| idle > interval);
    check(is_in_time, "keep_alive", "must be shorter than the idle timeout")
}

/// The bounds of the default touch interval.
const MIN_TOUCH_INTERVAL: Duration = Duration::from_secs(60);
const MAX_TOUCH_INTERVAL: Duration = Duration::from_secs(300);

/// Returns the touch interval. Above a quarter of the idle timeout it could end an active session
/// (store law 3).
fn touch_interval(
    configured: Option<Duration>,
    policy: &SessionPolicy,
) -> Result<Duration, PolicyError> {
    let idle = policy.shortest_timeouts().idle;
    let max = idle.map_or(Duration::MAX, |idle| idle / 4);
    let sparse = idle.map_or(Duration::MAX, |idle| idle / 10);
    let default = sparse.clamp(MIN_TOUCH_INTERVAL, MAX_TOUCH_INTERVAL).min(max);
    let interval = configured.unwrap_or(default);
    let problem = "must be at most a quarter of the shortest idle timeout";
    check(interval <= max, "touch_interval", problem)?;
    Ok(interval)
}

/// An invalid policy configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct PolicyError {
    field: &'static str,
    problem: &'static str,
}

impl PolicyError {
    /// Returns the name of the builder's method that set the invalid value.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

//! Metrics of what happens to sessions, through the `metrics` facade (feature `metrics`).
//!
//! An application installs a recorder of that facade, such as `metrics-exporter-prometheus`, before
//! it starts the [`SessionManager`](crate::SessionManager). The values of all labels are known beforehand:
//! no user, session or provider is among them. Every series exists from the start.
//!
//! | metric | kind | labels | what it counts |
//! |---|---|---|---|
//! | `session_admitted_total` | counter | `origin` | sessions that were admitted |
//! | `session_refused_total` | counter | | sign-ins that the policy refused at a full cap |
//! | `session_ended_total` | counter | `reason` | sessions that this node ended, also those that a sign-in evicted |
//! | `session_claimed_total` | counter | | migrated sessions that a device claimed |
//! | `session_stepped_up_total` | counter | | sessions whose user authenticated again |
//! | `session_renewals_total` | counter | `outcome` | renewals that asked the provider: `renewed`, or why they failed; `resource_refused` for a token of a further resource, `not_stored` for tokens that the store refuses |
//! | `session_lease_waits_total` | counter | | renewals that waited for another node's lease, however often it changed hands |
//! | `session_lease_takeovers_total` | counter | | leases taken over from a node that stood still |
//! | `session_unreadable_total` | counter | | rows whose tokens did not open (F35) |
//! | `session_cache_lookups_total` | counter | `outcome` | requests with a cookie: `hit`, `miss`, and `overtaken` readings |
//! | `session_follower_lag_seconds` | gauge | | how old what this node knows of other nodes' changes is |
//! | `session_revocations_total` | counter | `outcome` | tokens of the outbox: `revoked`, `postponed`, `held`, `dropped` |
//! | `session_revocations_pending` | gauge | | entries in the outbox, as of the last round of maintenance |
//! | `session_revocations_oldest_seconds` | gauge | | the age of the oldest of them |
//! | `session_held` | gauge | | sessions that this node holds, as of the last round of maintenance |

use std::time::Duration;

use crate::event::RenewalFailure;
use crate::session::{EndReason, Origin};

const ADMITTED: &str = "session_admitted_total";
const REFUSED: &str = "session_refused_total";
const ENDED: &str = "session_ended_total";
const CLAIMED: &str = "session_claimed_total";
const STEPPED_UP: &str = "session_stepped_up_total";
const RENEWALS: &str = "session_renewals_total";
const RESOURCE_REFUSED: &str = "resource_refused";
const NOT_STORED: &str = "not_stored";
const LEASE_WAITS: &str = "session_lease_waits_total";
const LEASE_TAKEOVERS: &str = "session_lease_takeovers_total";
const UNREADABLE: &str = "session_unreadable_total";
#[cfg(feature = "metrics")]
const CACHE_LOOKUPS: &str = "session_cache_lookups_total";
const FOLLOWER_LAG: &str = "session_follower_lag_seconds";
const REVOCATIONS: &str = "session_revocations_total";
const REVOCATIONS_PENDING: &str = "session_revocations_pending";
const REVOCATIONS_OLDEST: &str = "session_revocations_oldest_seconds";
const HELD: &str = "session_held";

/// What becomes of an entry of the outbox of revocations.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RevocationOutcome {
    Dropped,
    Held,
    Postponed,
    Revoked,
}

impl RevocationOutcome {
    const ALL: [Self; 4] = [Self::Dropped, Self::Held, Self::Postponed, Self::Revoked];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Held => "held",
            Self::Postponed => "postponed",
            Self::Revoked => "revoked",
        }
    }
}

/// Creates every series, so that a dashboard shows zero instead of nothing.
pub(crate) fn register() {
    for origin in [Origin::Connection, Origin::Login] {
        add(ADMITTED, Some(("origin", origin.as_str())), 0);
    }
    for reason in EndReason::ALL {
        add(ENDED, Some(("reason", reason.as_str())), 0);
    }
    let failures = RenewalFailure::ALL.map(RenewalFailure::as_str);
    for outcome in failures.into_iter().chain(["renewed", RESOURCE_REFUSED, NOT_STORED]) {
        add(RENEWALS, Some(("outcome", outcome)), 0);
    }
    for outcome in RevocationOutcome::ALL {
        add(REVOCATIONS, Some(("outcome", outcome.as_str())), 0);
    }
    for name in [REFUSED, CLAIMED, STEPPED_UP, LEASE_WAITS, LEASE_TAKEOVERS, UNREADABLE] {
        add(name, None, 0);
    }
    for name in [FOLLOWER_LAG, REVOCATIONS_PENDING, REVOCATIONS_OLDEST, HELD] {
        set(name, 0.0);
    }
    let _ = CacheMetrics::new();
}

pub(crate) fn admitted(origin: Origin) {
    add(ADMITTED, Some(("origin", origin.as_str())), 1);
}

pub(crate) fn refused() {
    add(REFUSED, None, 1);
}

pub(crate) fn ended(reason: EndReason) {
    add(ENDED, Some(("reason", reason.as_str())), 1);
}

pub(crate) fn claimed() {
    add(CLAIMED, None, 1);
}

pub(crate) fn stepped_up() {
    add(STEPPED_UP, None, 1);
}

pub(crate) fn renewed() {
    add(RENEWALS, Some(("outcome", "renewed")), 1);
}

pub(crate) fn renewal_failed(failure: RenewalFailure) {
    add(RENEWALS, Some(("outcome", failure.as_str())), 1);
}

/// Counts a renewal that got no token for a further resource.
pub(crate) fn resource_refused() {
    add(RENEWALS, Some(("outcome", RESOURCE_REFUSED)), 1);
}

/// Counts a renewal whose tokens the store refuses for good.
pub(crate) fn not_stored() {
    add(RENEWALS, Some(("outcome", NOT_STORED)), 1);
}

pub(crate) fn lease_waited_for() {
    add(LEASE_WAITS, None, 1);
}

pub(crate) fn lease_taken_over() {
    add(LEASE_TAKEOVERS, None, 1);
}

pub(crate) fn unreadable() {
    add(UNREADABLE, None, 1);
}

pub(crate) fn follower_lag(lag: Duration) {
    set(FOLLOWER_LAG, lag.as_secs_f64());
}

pub(crate) fn revocation(outcome: RevocationOutcome) {
    add(REVOCATIONS, Some(("outcome", outcome.as_str())), 1);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a floating-point number")]
pub(crate) fn revocations_pending(count: u64, oldest: Duration) {
    set(REVOCATIONS_PENDING, count as f64);
    set(REVOCATIONS_OLDEST, oldest.as_secs_f64());
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a floating-point number")]
pub(crate) fn held(count: usize) {
    set(HELD, count as f64);
}

/// Counts how a cache answers requests, for a middleware: a count costs no look-up of its series.
#[derive(Clone)]
pub struct CacheMetrics {
    #[cfg(feature = "metrics")]
    hits: metrics_facade::Counter,
    #[cfg(feature = "metrics")]
    misses: metrics_facade::Counter,
    #[cfg(feature = "metrics")]
    overtaken: metrics_facade::Counter,
}

impl CacheMetrics {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            hits: metrics_facade::counter!(CACHE_LOOKUPS, "outcome" => "hit"),
            #[cfg(feature = "metrics")]
            misses: metrics_facade::counter!(CACHE_LOOKUPS, "outcome" => "miss"),
            #[cfg(feature = "metrics")]
            overtaken: metrics_facade::counter!(CACHE_LOOKUPS, "outcome" => "overtaken"),
        }
    }

    /// Counts a request that was answered from the cache.
    pub fn hit(&self) {
        #[cfg(feature = "metrics")]
        self.hits.increment(1);
    }

    /// Counts a reading of the store.
    pub fn miss(&self) {
        #[cfg(feature = "metrics")]
        self.misses.increment(1);
    }

    /// Counts a reading that an end or a change has overtaken, so that it is repeated.
    pub fn overtaken(&self) {
        #[cfg(feature = "metrics")]
        self.overtaken.increment(1);
    }
}

impl std::fmt::Debug for CacheMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CacheMetrics")
    }
}

#[cfg(feature = "metrics")]
fn add(name: &'static str, label: Option<(&'static str, &'static str)>, count: u64) {
    match label {
        Some((key, value)) => metrics_facade::counter!(name, key => value).increment(count),
        None => metrics_facade::counter!(name).increment(count),
    }
}

#[cfg(feature = "metrics")]
fn set(name: &'static str, value: f64) {
    metrics_facade::gauge!(name).set(value);
}

#[cfg(not(feature = "metrics"))]
const fn add(_: &'static str, _: Option<(&'static str, &'static str)>, _: u64) {}

#[cfg(not(feature = "metrics"))]
const fn set(_: &'static str, _: f64) {}

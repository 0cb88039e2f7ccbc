//! When an access token is due for renewal.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::clock::Timestamp;

/// How far an access token is on its way to expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// Still valid; it is renewed beside the requests that go on with it.
    Due,
    /// No longer valid.
    Expired,
    /// Valid, and not due for renewal.
    Fresh,
}

/// When an access token is due for renewal, and when it expires.
///
/// Made by [`Renewal::schedule`]. A token without an expiry is always fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalSchedule {
    due_and_expiry: Option<(Timestamp, Timestamp)>,
}

impl RenewalSchedule {
    /// Returns from when on the token is to be renewed; `None` if it does not expire.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        self.due_and_expiry.map(|(due_at, _)| due_at)
    }

    /// Returns how far the token is at `now`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        match self.due_and_expiry {
            Some((_, expires_at)) if now >= expires_at => Freshness::Expired,
            Some((due_at, _)) if now >= due_at => Freshness::Due,
            _ => Freshness::Fresh,
        }
    }
}

/// When tokens are renewed, and how long the parties wait for each other.
///
/// [`SessionPolicy`](super::SessionPolicy) checks all of it when it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewal {
    /// How long before its expiry a token is renewed; never more than a quarter of its lifetime.
    pub leeway: Duration,
    /// By how much more, at most, a renewal is brought forward, so that tokens that were issued
    /// together are not renewed together (F30).
    pub jitter: Duration,
    /// The lifetime of a token for which the provider gives a refresh token but no lifetime.
    pub assumed_lifetime: Duration,
    /// The shortest time between two renewals of one session after rejections.
    pub min_interval: Duration,
    /// How long the provider may take to answer.
    pub provider_timeout: Duration,
    /// The term of a lease: at least twice the provider's timeout, and eight times the store's
    /// (store law 4).
    pub lease_term: Duration,
    /// How long a request whose token has expired waits for the new one.
    pub max_wait: Duration,
    /// How many renewals may ask one provider at the same time (F30).
    pub max_concurrent: NonZeroUsize,
}

const DEFAULT_MAX_CONCURRENT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

impl Default for Renewal {
    fn default() -> Self {
        Self {
            leeway: Duration::from_secs(60),
            jitter: Duration::from_secs(10),
            assumed_lifetime: Duration::from_secs(3600),
            min_interval: Duration::from_secs(10),
            provider_timeout: Duration::from_secs(10),
            lease_term: Duration::from_secs(40),
            max_wait: Duration::from_secs(10),
            max_concurrent: DEFAULT_MAX_CONCURRENT,
        }
    }
}

impl Renewal {
    /// Returns the schedule of a token that was received at `received_at`.
    ///
    /// Leeway and jitter are bounded by the token's own lifetime, so that a short-lived token is
    /// not renewed at each request (F28). `spread` tells sessions apart: the same number gives the
    /// same jitter.
    ///
    /// ```
    /// use session_core::policy::{Freshness, Renewal};
    /// use session_core::Timestamp;
    /// use std::time::Duration;
    ///
    /// let received = Timestamp::from_millis(0);
    /// let expires = Some(received + Duration::from_secs(3600));
    /// let schedule = Renewal::default().schedule(received, expires, 0);
    /// let at = |secs| schedule.freshness(received + Duration::from_secs(secs));
    /// assert_eq!(at(3000), Freshness::Fresh);
    /// assert_eq!(at(3541), Freshness::Due);
    /// assert_eq!(at(3600), Freshness::Expired);
    /// ```
    #[must_use]
    pub fn schedule(
        &self,
        received_at: Timestamp,
        expires_at: Option<Timestamp>,
        spread: u64,
    ) -> RenewalSchedule {
        let due_at = |expires_at: Timestamp| {
            let lifetime = expires_at.since(received_at);
            let leeway = self.leeway.min(lifetime / 4);
            let jitter = self.jitter.min(lifetime / 10);
            let share = u32::try_from(spread % 1024).unwrap_or(0);
            expires_at - leeway - jitter * share / 1024
        };
        RenewalSchedule { due_and_expiry: expires_at.map(|expires| (due_at(expires), expires)) }
    }
}

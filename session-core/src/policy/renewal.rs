//! Is the access token due for renewal?

use std::time::Duration;

use crate::clock::Timestamp;

/// How far an access token is on its way to expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Still valid, and to be renewed beside the requests that go on with it.
    Due,
    /// No longer valid.
    Expired,
    /// Valid, and nothing is to be done.
    Fresh,
}

/// The moments of an access token: for those who ask often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milestones {
    /// From when on it is to be renewed.
    pub due_at: Timestamp,
    /// From when on it is no longer valid.
    pub expires_at: Timestamp,
}

impl Milestones {
    /// How far the token is at `now`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        if now >= self.expires_at {
            Freshness::Expired
        } else if now >= self.due_at {
            Freshness::Due
        } else {
            Freshness::Fresh
        }
    }
}

/// When tokens are renewed, and how patient everybody is.
///
/// All fields are spans of time; [`SessionPolicy`](super::SessionPolicy) checks them at build time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewal {
    /// How long before its expiry a token is renewed; never more than a quarter of its lifetime.
    pub leeway: Duration,
    /// By how much more, at most, a renewal is drawn forward, so that tokens that were given
    /// together are not renewed together (F30).
    pub jitter: Duration,
    /// The lifetime of a token whose provider gives none, though it gives a refresh token.
    pub assumed_lifetime: Duration,
    /// The shortest time between two renewals of one session that rejections ask for.
    pub min_interval: Duration,
    /// How long the provider may take to answer.
    pub provider_timeout: Duration,
    /// A lease's term: outlives the provider's timeout (store law 4).
    pub lease_term: Duration,
    /// How long a request whose token has expired waits for the new one.
    pub max_wait: Duration,
}

impl Default for Renewal {
    fn default() -> Self {
        Self {
            leeway: Duration::from_secs(60),
            jitter: Duration::from_secs(10),
            assumed_lifetime: Duration::from_secs(3600),
            min_interval: Duration::from_secs(10),
            provider_timeout: Duration::from_secs(10),
            lease_term: Duration::from_secs(30),
            max_wait: Duration::from_secs(10),
        }
    }
}

impl Renewal {
    /// How far a token that was received at `received_at` is at `now`.
    ///
    /// `spread` tells sessions apart: the same number gives the same jitter.
    ///
    /// ```
    /// use session_core::policy::{Freshness, Renewal};
    /// use session_core::Timestamp;
    /// use std::time::Duration;
    ///
    /// let renewal = Renewal::default();
    /// let received = Timestamp::from_millis(0);
    /// let expires = Some(received + Duration::from_secs(3600));
    /// let at = |secs| renewal.freshness(received, expires, received + Duration::from_secs(secs), 0);
    /// assert_eq!(at(3000), Freshness::Fresh);
    /// assert_eq!(at(3541), Freshness::Due);
    /// assert_eq!(at(3600), Freshness::Expired);
    /// ```
    #[must_use]
    pub fn freshness(
        &self,
        received_at: Timestamp,
        expires_at: Option<Timestamp>,
        now: Timestamp,
        spread: u64,
    ) -> Freshness {
        let milestones = self.milestones(received_at, expires_at, spread);
        milestones.map_or(Freshness::Fresh, |milestones| milestones.freshness(now))
    }

    /// When a token becomes due and when it expires; `None` if it does not.
    #[must_use]
    pub fn milestones(
        &self,
        received_at: Timestamp,
        expires_at: Option<Timestamp>,
        spread: u64,
    ) -> Option<Milestones> {
        let expires_at = expires_at?;
        Some(Milestones { due_at: self.due_at(received_at, expires_at, spread), expires_at })
    }

    /// When a token becomes due. Leeway and jitter are bounded by the token's own lifetime, so
    /// that a short-lived token is not renewed at each request (F28).
    #[must_use]
    pub fn due_at(&self, received_at: Timestamp, expires_at: Timestamp, spread: u64) -> Timestamp {
        let lifetime = expires_at.since(received_at);
        let leeway = self.leeway.min(lifetime / 4);
        let jitter = self.jitter.min(lifetime / 10);
        let share = u32::try_from(spread % 1024).unwrap_or(0);
        expires_at - leeway - jitter * share / 1024
    }
}

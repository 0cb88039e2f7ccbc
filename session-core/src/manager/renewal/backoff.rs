//! Limits concurrent renewals per provider and applies backoff.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::provider::{ProviderError, ProviderErrorKind};
use crate::session::{ProviderName, SessionId};

/// How many renewals may ask one provider at the same time (F30).
const MAX_CONCURRENT_RENEWALS: usize = 16;

/// After how many failures in a row a provider counts as down for all its sessions.
const FAILURES_UNTIL_DOWN: u32 = 3;

const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause that a provider can ask for: one wrong `Retry-After` must not stop all
/// renewals until the next restart.
pub(in crate::manager) const MAX_REQUESTED_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after its pause a session's failures are remembered; without a bound, those of unused
/// sessions would stay for ever.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Pauses after failures: of one session, and of a provider that is down or asked for a pause.
#[derive(Debug, Default)]
pub(in crate::manager) struct ProviderBackoff {
    state: Mutex<BackoffState>,
}

#[derive(Debug, Default)]
struct BackoffState {
    providers: HashMap<ProviderName, ProviderLimit>,
    sessions: HashMap<SessionId, Pause>,
}

#[derive(Debug)]
struct ProviderLimit {
    permits: Arc<Semaphore>,
    pause: Pause,
}

/// Until when to wait, on the monotonic clock, and after how many failures in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    until: Duration,
    /// Until when the provider asked for a pause.
    requested_until: Duration,
    failures: u32,
}

impl Pause {
    fn left(&self, now: Duration) -> Duration {
        self.until.max(self.requested_until).saturating_sub(now)
    }

    /// Counts one more failure: each doubles the pause, which is at least what the provider asked
    /// for.
    ///
    /// Failures of calls that were in progress when the pause began are not counted: otherwise one
    /// short outage of a busy provider would lead to the longest pause.
    fn lengthen(&mut self, requested: Option<Duration>, now: Duration) {
        if self.left(now).is_zero() {
            let doubled = MIN_PAUSE.saturating_mul(1 << self.failures.min(6));
            self.failures = self.failures.saturating_add(1);
            self.until = now.saturating_add(doubled.min(MAX_PAUSE));
        }
        let requested = requested.unwrap_or_default().min(MAX_REQUESTED_PAUSE);
        self.requested_until = self.requested_until.max(now.saturating_add(requested));
    }

    /// Resets the failures. A pause that the provider asked for stays: the call that succeeded was
    /// in progress then.
    fn succeed(&mut self) {
        (self.until, self.failures) = (Duration::ZERO, 0);
    }

    fn is_forgotten(&self, now: Duration) -> bool {
        now > self.until.max(self.requested_until).saturating_add(FORGOTTEN_AFTER)
    }
}

impl ProviderBackoff {
    /// Returns how long this session's renewal must still wait; `None` if it may start now.
    pub(in crate::manager) fn pause(
        &self,
        provider: &ProviderName,
        session: SessionId,
        now: Duration,
    ) -> Option<Duration> {
        let state = self.lock();
        let of_session = state.sessions.get(&session).map(|pause| pause.left(now));
        let of_provider = state.providers.get(provider).map(|limit| limit.pause.left(now));
        of_session.max(of_provider).filter(|left| !left.is_zero())
    }

    /// Returns the permits for concurrent calls to this provider.
    pub(super) fn permits(&self, provider: &ProviderName) -> Arc<Semaphore> {
        Arc::clone(&self.lock().limit(provider).permits)
    }

    /// Counts a failure and returns the session's pause. All sessions of the provider wait if it
    /// asked for a pause, does not accept this client, or has failed several times in a row.
    pub(super) fn failed(
        &self,
        provider: &ProviderName,
        session: SessionId,
        error: &ProviderError,
        now: Duration,
    ) -> Duration {
        let requested = error.asks_to_wait();
        let mut state = self.lock();
        state.sessions.retain(|_, pause| !pause.is_forgotten(now));
        let limit = state.limit(provider);
        let concerns_all = requested.is_some()
            || matches!(
                error.kind(),
                ProviderErrorKind::Misconfigured | ProviderErrorKind::Throttled
            )
            || limit.pause.failures + 1 >= FAILURES_UNTIL_DOWN;
        if concerns_all {
            limit.pause.lengthen(requested, now);
        } else {
            limit.pause.failures += 1;
        }
        let of_provider = limit.pause.left(now);
        let of_session = state.sessions.entry(session).or_default();
        of_session.lengthen(requested, now);
        of_session.left(now).max(of_provider)
    }

    /// Delays this session alone, as after a failure of its own, and returns its pause.
    pub(super) fn delay_session(&self, session: SessionId, now: Duration) -> Duration {
        let mut state = self.lock();
        let pause = state.sessions.entry(session).or_default();
        pause.lengthen(None, now);
        pause.left(now)
    }

    /// Counts a success: renewals go on, unless the provider has asked for a pause.
    pub(super) fn succeeded(&self, provider: &ProviderName, session: SessionId) {
        let mut state = self.lock();
        state.sessions.remove(&session);
        state.limit(provider).pause.succeed();
    }

    fn lock(&self) -> MutexGuard<'_, BackoffState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BackoffState {
    fn limit(&mut self, provider: &ProviderName) -> &mut ProviderLimit {
        self.providers.entry(provider.clone()).or_insert_with(|| ProviderLimit {
            permits: Arc::new(Semaphore::new(MAX_CONCURRENT_RENEWALS)),
            pause: Pause::default(),
        })
    }
}

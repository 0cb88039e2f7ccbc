//! Who may ask a provider now: not too many at once, and nobody who was told to wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::provider::{ProviderError, ProviderErrorKind};
use crate::session::{ProviderName, SessionId};

/// How many renewals may ask one provider at once (F30).
const MOST_AT_ONCE: usize = 16;

/// After how many failures in a row a provider counts as down for all its sessions.
const FAILURES_TO_CLOSE: u32 = 3;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// For how long a provider is left alone at most because it asked for that: one header with a slip
/// in it must not keep everybody from new tokens until the next restart.
pub(super) const LONGEST_WISH: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after its pause a session's failures are remembered: else those that nobody uses any
/// more would be remembered for ever.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Pauses after failures: of one session, and of a provider that is down or told us to wait.
#[derive(Debug, Default)]
pub(super) struct Gates {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    providers: HashMap<ProviderName, ProviderGate>,
    sessions: HashMap<SessionId, Pause>,
}

#[derive(Debug)]
struct ProviderGate {
    places: Arc<Semaphore>,
    pause: Pause,
}

/// Until when to wait, on the monotonic clock, and after how many failures in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    until: Duration,
    /// Until when the provider asked to be left alone.
    asked_until: Duration,
    failures: u32,
}

impl Pause {
    fn left(&self, now: Duration) -> Duration {
        self.until.max(self.asked_until).saturating_sub(now)
    }

    /// One more failure: each doubles the pause; what the provider asked for is the least.
    ///
    /// Failures of what was under way when the pause began are not counted: else one hiccup of a
    /// busy provider would make the longest pause.
    fn lengthen(&mut self, asked: Option<Duration>, now: Duration) {
        if self.left(now).is_zero() {
            let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6));
            self.failures = self.failures.saturating_add(1);
            self.until = now.saturating_add(doubled.min(LONGEST_PAUSE));
        }
        let asked = asked.unwrap_or_default().min(LONGEST_WISH);
        let asked_until = now.saturating_add(asked);
        self.asked_until = self.asked_until.max(asked_until);
    }

    /// One success. What the provider asked for stands: this was under way when it did.
    fn succeed(&mut self) {
        (self.until, self.failures) = (Duration::ZERO, 0);
    }

    fn is_forgotten(&self, now: Duration) -> bool {
        now > self.until.max(self.asked_until).saturating_add(FORGOTTEN_AFTER)
    }
}

impl Gates {
    /// How long this session's renewal must still wait; `None` if it may ask now.
    pub(super) fn pause(
        &self,
        provider: &ProviderName,
        session: SessionId,
        now: Duration,
    ) -> Option<Duration> {
        let state = self.lock();
        let of_session = state.sessions.get(&session).map(|pause| pause.left(now));
        let of_provider = state.providers.get(provider).map(|gate| gate.pause.left(now));
        of_session.max(of_provider).filter(|left| !left.is_zero())
    }

    /// The places of those who ask this provider at once.
    pub(super) fn places(&self, provider: &ProviderName) -> Arc<Semaphore> {
        Arc::clone(&self.lock().gate(provider).places)
    }

    /// A failure: the session waits; and all of the provider, if it asked for that, does not accept
    /// this client, or has failed several times in a row. Gives the session's pause.
    pub(super) fn failed(
        &self,
        provider: &ProviderName,
        session: SessionId,
        error: &ProviderError,
        now: Duration,
    ) -> Duration {
        let asked = error.asks_to_wait();
        let mut state = self.lock();
        state.sessions.retain(|_, pause| !pause.is_forgotten(now));
        let gate = state.gate(provider);
        let concerns_all = asked.is_some()
            || matches!(
                error.kind(),
                ProviderErrorKind::Misconfigured | ProviderErrorKind::Throttled
            )
            || gate.pause.failures + 1 >= FAILURES_TO_CLOSE;
        if concerns_all {
            gate.pause.lengthen(asked, now);
        } else {
            gate.pause.failures += 1;
        }
        let of_provider = gate.pause.left(now);
        let of_session = state.sessions.entry(session).or_default();
        of_session.lengthen(asked, now);
        of_session.left(now).max(of_provider)
    }

    /// Lets this session alone wait, as after a failure of its own; gives its pause.
    pub(super) fn hold(&self, session: SessionId, now: Duration) -> Duration {
        let mut state = self.lock();
        let pause = state.sessions.entry(session).or_default();
        pause.lengthen(None, now);
        pause.left(now)
    }

    /// The provider has answered: nobody waits any more, unless it has asked for that.
    pub(super) fn succeeded(&self, provider: &ProviderName, session: SessionId) {
        let mut state = self.lock();
        state.sessions.remove(&session);
        state.gate(provider).pause.succeed();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn gate(&mut self, provider: &ProviderName) -> &mut ProviderGate {
        self.providers.entry(provider.clone()).or_insert_with(|| ProviderGate {
            places: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            pause: Pause::default(),
        })
    }
}

//! Limits concurrent renewals per provider and applies backoff.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Timestamp;
use crate::manager::peak::shrink_after_peak;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::session::{ProviderName, Session, SessionId};

/// How many different sessions must fail in a row until the provider counts as down for all.
const SESSIONS_UNTIL_DOWN: u32 = 3;

const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The longest pause while few sessions fail: this much for each of them, and at least so long. A
/// provider that is back is noticed sooner then, and is not overrun.
const MAX_PAUSE_PER_SESSION: Duration = Duration::from_secs(5);
const MIN_MAX_PAUSE: Duration = Duration::from_secs(15);

/// For how long and how often the same tokens must be rejected until a new sign-in is needed, and
/// how long the provider is not asked then.
const REJECTED_FOR: Duration = Duration::from_secs(600);
const MIN_REJECTIONS: u32 = 3;
const PAUSE_AFTER_REJECTIONS: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest pause that a provider can ask for: one wrong `Retry-After` must not stop all
/// renewals until the next restart.
pub(in crate::manager) const MAX_REQUESTED_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after its pause a session's failures are remembered; without a bound, those of unused
/// sessions would stay for ever.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// From how many sessions on the forgotten ones are swept out.
const MIN_SWEEP: usize = 1024;

/// Pauses after failures: of one session, and of a provider that is down or asked for a pause.
#[derive(Debug)]
pub(in crate::manager) struct ProviderBackoff {
    max_concurrent: usize,
    state: Mutex<BackoffState>,
}

#[derive(Debug, Default)]
struct BackoffState {
    providers: HashMap<ProviderName, ProviderLimit>,
    sessions: HashMap<SessionId, SessionPause>,
    sweep_at: usize,
}

#[derive(Debug)]
struct ProviderLimit {
    permits: Arc<Semaphore>,
    streak: Streak,
    /// For all sessions; lengthened by sessions that fail for the first time in the streak, so that
    /// sessions with trouble of their own cannot shut out the others.
    pause: Pause,
    /// For sessions that have failed in the streak.
    repeated: Pause,
}

/// The failures of a provider since its last success.
#[derive(Debug)]
struct Streak {
    number: u64,
    /// How many different sessions failed in it.
    sessions: u32,
    /// The last streak in which the provider was down. The pauses of sessions that failed in it
    /// are void: the trouble was the provider's.
    last_down: Option<u64>,
}

#[derive(Debug, Default)]
struct SessionPause {
    pause: Pause,
    /// The streak of its last failure; `None` for trouble that is not the provider's.
    streak: Option<u64>,
    rejections: Option<Rejections>,
}

/// The rejections of the same tokens, without a reason that ends the session.
#[derive(Debug, Clone, Copy)]
struct Rejections {
    /// When the tokens were renewed: the sign of the same ones.
    renewed_at: Option<Timestamp>,
    since: Duration,
    count: u32,
    /// Until when the provider is not asked again.
    until: Duration,
}

impl SessionPause {
    /// Counts a rejection of these tokens.
    fn reject(&mut self, renewed_at: Option<Timestamp>, now: Duration) {
        let known = self.rejections.filter(|known| known.renewed_at == renewed_at);
        let first = Rejections { renewed_at, since: now, count: 0, until: Duration::ZERO };
        let mut counted = known.unwrap_or(first);
        counted.count = counted.count.saturating_add(1);
        let has_lasted = now.saturating_sub(counted.since) >= REJECTED_FOR;
        if counted.count >= MIN_REJECTIONS && has_lasted {
            counted.until = now.saturating_add(PAUSE_AFTER_REJECTIONS);
        }
        self.rejections = Some(counted);
    }

    fn needs_sign_in(&self, renewed_at: Option<Timestamp>, now: Duration) -> bool {
        self.rejections.is_some_and(|known| known.renewed_at == renewed_at && now < known.until)
    }

    fn is_forgotten(&self, now: Duration) -> bool {
        let is_past = self.rejections.is_none_or(|known| now >= known.until);
        is_past && self.pause.is_forgotten(now)
    }
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
    fn lengthen(&mut self, requested: Option<Duration>, max: Duration, now: Duration) {
        if self.left(now).is_zero() {
            let doubled = MIN_PAUSE.saturating_mul(1 << self.failures.min(6));
            self.failures = self.failures.saturating_add(1);
            self.until = now.saturating_add(doubled.min(max));
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

impl Streak {
    const fn is_down(&self) -> bool {
        self.sessions >= SESSIONS_UNTIL_DOWN
    }

    const fn end(&mut self) {
        if self.is_down() {
            self.last_down = Some(self.number);
        }
        self.number += 1;
        self.sessions = 0;
    }
}

impl ProviderLimit {
    fn new(max_concurrent: usize) -> Self {
        let streak = Streak { number: 0, sessions: 0, last_down: None };
        let permits = Arc::new(Semaphore::new(max_concurrent));
        Self { permits, streak, pause: Pause::default(), repeated: Pause::default() }
    }

    /// Returns what is left of all pauses that concern a session.
    fn left(&self, session: Option<&SessionPause>, now: Duration) -> Duration {
        let Some(session) = session else { return self.pause.left(now) };
        let is_void = session.streak.is_some() && session.streak == self.streak.last_down;
        let own = if is_void { Duration::ZERO } else { session.pause.left(now) };
        let is_repeated = session.streak == Some(self.streak.number);
        let repeated = if is_repeated { self.repeated.left(now) } else { Duration::ZERO };
        self.pause.left(now).max(own).max(repeated)
    }

    /// Counts a failure, and lengthens the provider's pause if it concerns more than the session.
    fn failed(
        &mut self,
        session: &SessionPause,
        error: &ProviderError,
        max_pause: Duration,
        now: Duration,
    ) {
        use ProviderErrorKind::{Misconfigured, Throttled};

        let is_repeated = session.streak == Some(self.streak.number);
        self.streak.sessions = self.streak.sessions.saturating_add(u32::from(!is_repeated));
        let requested = error.asks_to_wait();
        if self.streak.is_down() || matches!(error.kind(), Misconfigured | Throttled) {
            let pause = if is_repeated { &mut self.repeated } else { &mut self.pause };
            pause.lengthen(None, max_pause, now);
        }
        if requested.is_some() {
            self.pause.lengthen(requested, max_pause, now);
        }
    }
}

impl ProviderBackoff {
    /// Creates the limits of all providers: at most so many renewals at the same time each.
    pub(in crate::manager) fn new(max_concurrent: usize) -> Self {
        Self { max_concurrent, state: Mutex::default() }
    }

    /// Returns how long this session's renewal must still wait; `None` if it may start now.
    pub(in crate::manager) fn pause(
        &self,
        provider: &ProviderName,
        session: SessionId,
        now: Duration,
    ) -> Option<Duration> {
        let state = self.lock();
        let session = state.sessions.get(&session);
        let left = match state.providers.get(provider) {
            Some(limit) => limit.left(session, now),
            None => session.map_or(Duration::ZERO, |session| session.pause.left(now)),
        };
        (!left.is_zero()).then_some(left)
    }

    /// Returns the permits for concurrent calls to this provider.
    pub(super) fn permits(&self, provider: &ProviderName) -> Arc<Semaphore> {
        Arc::clone(&self.lock().limit(provider, self.max_concurrent).permits)
    }

    /// Counts a failure and returns the session's pause.
    ///
    /// All sessions of the provider wait if it asked for a pause, does not accept this client, or
    /// has failed several sessions in a row. Then a session that has not failed probes next.
    pub(super) fn failed(
        &self,
        session: &Session,
        error: &ProviderError,
        now: Duration,
    ) -> Duration {
        let mut state = self.lock();
        state.sweep(now);
        let mut own = state.sessions.remove(&session.id).unwrap_or_default();
        let max_pause = state.max_pause();
        let limit = state.limit(&session.provider, self.max_concurrent);
        limit.failed(&own, error, max_pause, now);
        own.streak = Some(limit.streak.number);
        own.pause.lengthen(error.asks_to_wait(), max_pause, now);
        if error.kind() == ProviderErrorKind::Rejected {
            own.reject(session.renewed_at, now);
        }
        let left = limit.left(Some(&own), now);
        state.sessions.insert(session.id, own);
        left
    }

    /// Returns whether the provider has rejected the session's tokens for so long that only a new
    /// sign-in helps.
    pub(in crate::manager) fn needs_sign_in(&self, session: &Session, now: Duration) -> bool {
        let state = self.lock();
        let own = state.sessions.get(&session.id);
        own.is_some_and(|own| own.needs_sign_in(session.renewed_at, now))
    }

    /// Delays this session alone, as after a failure of its own, and returns its pause.
    pub(super) fn delay_session(&self, session: SessionId, now: Duration) -> Duration {
        let mut state = self.lock();
        let own = state.sessions.entry(session).or_default();
        own.streak = None;
        own.pause.lengthen(None, MAX_PAUSE, now);
        own.pause.left(now)
    }

    /// Counts a success: renewals go on, unless the provider has asked for a pause.
    pub(super) fn succeeded(&self, provider: &ProviderName, session: SessionId) {
        let mut state = self.lock();
        state.sessions.remove(&session);
        shrink_after_peak(&mut state.sessions);
        let limit = state.limit(provider, self.max_concurrent);
        limit.streak.end();
        limit.pause.succeed();
        limit.repeated.succeed();
    }

    fn lock(&self) -> MutexGuard<'_, BackoffState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BackoffState {
    fn limit(&mut self, provider: &ProviderName, max_concurrent: usize) -> &mut ProviderLimit {
        let limit = || ProviderLimit::new(max_concurrent);
        self.providers.entry(provider.clone()).or_insert_with(limit)
    }

    /// Returns the longest pause, which grows with the number of sessions that wait.
    fn max_pause(&self) -> Duration {
        let sessions = u32::try_from(self.sessions.len() + 1).unwrap_or(u32::MAX);
        MAX_PAUSE_PER_SESSION.saturating_mul(sessions).clamp(MIN_MAX_PAUSE, MAX_PAUSE)
    }

    fn sweep(&mut self, now: Duration) {
        if self.sessions.len() >= self.sweep_at.max(MIN_SWEEP) {
            self.sessions.retain(|_, session| !session.is_forgotten(now));
            shrink_after_peak(&mut self.sessions);
            self.sweep_at = self.sessions.len().saturating_mul(2);
        }
    }
}

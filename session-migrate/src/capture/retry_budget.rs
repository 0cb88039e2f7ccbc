//! How long to retry against the locks of other transactions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use session_core::clock::Clock;
use tokio_util::sync::CancellationToken;

/// For how long to retry while other transactions lock a table whose triggers are to change.
///
/// A trigger is created only while no other transaction uses the table, and while it waits for one,
/// all later transactions wait too. So each attempt waits for less than a second, and between two
/// attempts the others go on.
#[derive(Clone)]
pub struct RetryBudget {
    clock: Arc<dyn Clock>,
    limit: Duration,
    cancel: CancellationToken,
}

/// The first pause; each is twice the one before.
const MIN_PAUSE: Duration = Duration::from_millis(100);

const MAX_PAUSE: Duration = Duration::from_secs(2);

impl RetryBudget {
    /// Creates a budget of this time, by this clock. There is always one attempt.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, limit: Duration) -> Self {
        Self { clock, limit, cancel: CancellationToken::new() }
    }

    /// Ends the budget when the token is cancelled.
    #[must_use]
    pub fn cancelled_by(self, cancel: CancellationToken) -> Self {
        Self { cancel, ..self }
    }

    pub(super) fn start(&self) -> Retries<'_> {
        Retries { budget: self, since: self.clock.monotonic(), pause: MIN_PAUSE }
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The pauses between attempts.
#[derive(Debug)]
pub(super) struct Retries<'a> {
    budget: &'a RetryBudget,
    since: Duration,
    pause: Duration,
}

impl Retries<'_> {
    /// Pauses; returns `false` at once if the time is over or the budget was cancelled.
    pub(super) async fn pause(&mut self) -> bool {
        let clock = &self.budget.clock;
        let waited = clock.monotonic().saturating_sub(self.since);
        if waited >= self.budget.limit {
            return false;
        }
        let pause = clock.sleep(self.pause.min(self.budget.limit.saturating_sub(waited)));
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        tokio::select! {
            () = self.budget.cancel.cancelled() => false,
            () = pause => true,
        }
    }
}

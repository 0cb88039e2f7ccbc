use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use session_core::Clock;

/// For how long others may hold a table that is to be changed.
///
/// A trigger is made only between the transactions of others, and while it waits for one, all that
/// come after wait for it. So each attempt waits for less than a second, and between two of them
/// the others go on.
#[derive(Clone)]
pub struct RetryBudget {
    clock: Arc<dyn Clock>,
    limit: Duration,
}

/// The first pause; each is twice the one before.
const MIN_PAUSE: Duration = Duration::from_millis(100);

const MAX_PAUSE: Duration = Duration::from_secs(2);

impl RetryBudget {
    /// Tries again for this long, by this clock. InstalledObjects is always one attempt.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, limit: Duration) -> Self {
        Self { clock, limit }
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

/// The pauses between the attempts at one thing.
#[derive(Debug)]
pub(super) struct Retries<'a> {
    budget: &'a RetryBudget,
    since: Duration,
    pause: Duration,
}

impl Retries<'_> {
    /// Pauses; false, and at once, if the time is over.
    pub(super) async fn pause(&mut self) -> bool {
        let clock = &self.budget.clock;
        let waited = clock.monotonic().saturating_sub(self.since);
        if waited >= self.budget.limit {
            return false;
        }
        clock.sleep(self.pause.min(self.budget.limit.saturating_sub(waited))).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        true
    }
}

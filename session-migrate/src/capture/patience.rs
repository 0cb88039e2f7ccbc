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
pub struct Patience {
    clock: Arc<dyn Clock>,
    limit: Duration,
}

/// The first pause; each is twice the one before.
const SHORTEST: Duration = Duration::from_millis(100);

const LONGEST: Duration = Duration::from_secs(2);

impl Patience {
    /// Tries again for this long, by this clock. There is always one attempt.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, limit: Duration) -> Self {
        Self { clock, limit }
    }

    pub(super) fn wait(&self) -> Wait<'_> {
        Wait { patience: self, since: self.clock.monotonic(), pause: SHORTEST }
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The pauses between the attempts at one thing.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    patience: &'a Patience,
    since: Duration,
    pause: Duration,
}

impl Wait<'_> {
    /// Pauses; false, and at once, if the time is over.
    pub(super) async fn again(&mut self) -> bool {
        let clock = &self.patience.clock;
        let waited = clock.monotonic().saturating_sub(self.since);
        if waited >= self.patience.limit {
            return false;
        }
        clock.sleep(self.pause.min(self.patience.limit.saturating_sub(waited))).await;
        self.pause = (self.pause * 2).min(LONGEST);
        true
    }
}

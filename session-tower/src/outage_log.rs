//! Reports an outage of the store once a minute, and not at each request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use session_core::Timestamp;
use session_core::manager::ManagerError;
use session_core::middleware::ErrorChain;

const INTERVAL: Duration = Duration::from_secs(60);

/// The last report of one layer, and the errors since.
#[derive(Default)]
pub(crate) struct OutageLog(Mutex<State>);

#[derive(Default)]
struct State {
    reported_at: Option<Timestamp>,
    since_then: u64,
}

impl OutageLog {
    /// Logs the error as a warning, unless there was one within the last minute.
    pub(crate) fn report(&self, error: &ManagerError, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.reported_at.is_some_and(|at| now.since(at) < INTERVAL) {
            state.since_then += 1;
            tracing::debug!(error = %ErrorChain(&error), "a session cookie cannot be resolved");
            return;
        }
        let since_last = std::mem::take(&mut state.since_then);
        state.reported_at = Some(now);
        drop(state);
        tracing::warn!(error = %ErrorChain(&error), since_last, "a session cookie cannot be resolved");
    }
}

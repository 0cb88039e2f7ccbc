//! Letting what has begun come to its end.

use std::time::Duration;

use super::inner::SessionManager;

impl SessionManager {
    /// Lets what has begun come to its end, for at most `deadline`; whether all of it did.
    ///
    /// No renewal begins any more. A rotated token that the store does not take before the deadline
    /// is lost for its session (store law 5).
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        let inner = &self.inner;
        inner.tasks.close();
        let in_time = tokio::select! {
            biased;
            () = inner.tasks.all_done() => true,
            () = inner.clock.sleep(deadline) => false,
        };
        inner.tasks.give_up();
        in_time
    }
}

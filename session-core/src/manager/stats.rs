//! Numbers about one manager, for a health page or metrics.

use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::error::ManagerError;
use super::manager::SessionManager;
use crate::session::SessionId;

/// Numbers about one manager at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagerStats {
    /// The sessions that this process holds: in caches, requests and streams.
    pub held_sessions: usize,
    /// The tasks that are running.
    pub tasks: usize,
    /// How often tokens could not be decrypted since the start (F35). Each is logged with its
    /// session; most often a key is missing.
    pub unreadable_reads: u64,
}

/// # Numbers
impl SessionManager {
    /// Checks whether the store answers, for a health check of a load balancer: by one short query.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] that [is transient](ManagerError::is_transient) if it does not, within
    /// the policy's `store_timeout`; at once, while it is known to be away.
    pub async fn check_store(&self) -> Result<(), ManagerError> {
        let no_session = SessionId::from_uuid(Uuid::nil());
        self.inner.bounded(self.inner.store.find(no_session)).await?;
        Ok(())
    }

    /// Returns numbers about this manager, without asking the store.
    ///
    /// ```
    /// # use session_core::store::memory::MemoryStore;
    /// # use session_core::{Keyring, SessionManager};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let keyring = Keyring::parse(&Keyring::generate_entry("2026")?)?;
    /// let manager = SessionManager::builder(MemoryStore::new()).keyring(keyring).start().await?;
    /// assert_eq!(manager.stats().held_sessions, 0);
    /// assert_eq!(manager.stats().unreadable_reads, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> ManagerStats {
        ManagerStats {
            held_sessions: self.inner.local_states.count(),
            tasks: self.inner.tasks.count(),
            unreadable_reads: self.inner.unreadable_reads.load(Ordering::Relaxed),
        }
    }
}

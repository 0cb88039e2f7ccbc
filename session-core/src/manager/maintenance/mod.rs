//! Work that is due from time to time: purging sessions, revoking their tokens, sealing with a new
//! key.

mod keep_alive;
mod purge;
mod reseal;
mod revocations;
mod rounds;

use std::time::Duration;

pub use purge::PurgeReport;
pub use reseal::ResealReport;
pub(super) use reseal::check_keys;
pub use revocations::RevocationReport;
use rounds::{DueRound, RoundWatch};

use super::error::ManagerError;
use super::manager::SessionManager;
use crate::error_chain::ErrorChain;
use crate::metrics;
use crate::session::SessionId;
use crate::store::RevocationBacklog;

/// How many revocations one round of maintenance processes.
const MAX_REVOCATIONS: u64 = 500;

/// Stops the manager's maintenance when dropped.
#[derive(Debug)]
#[must_use = "maintenance stops when this is dropped"]
pub struct Maintenance {
    _stop: tokio::sync::oneshot::Sender<()>,
}

/// # Maintenance
impl SessionManager {
    /// Starts maintenance: purges, processes revocations and renews unused connections about every `interval`, until the
    /// result is dropped or the manager shuts down. Every node may run it: one of them purges in
    /// each interval and renews, and all of them revoke.
    ///
    /// A node ends sessions that have timed out, deletes what is older than the retention, and gives up
    /// revocations after 30 days, only once the clock of another node has confirmed its own, or after it
    /// was the only node for 32 rounds; and again after its clock went ahead by more than ten minutes.
    /// Give all nodes the same interval. A failure is logged, and the next round tries again.
    pub fn maintain(&self, interval: Duration) -> Maintenance {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let manager = self.clone();
        self.inner.tasks.spawn(async move {
            let closing = manager.inner.tasks.closing();
            // What is dropped in the middle is done by another round.
            tokio::select! {
                biased;
                () = closing => {}
                _ = stopped => {}
                () = manager.maintain_for_ever(interval) => {}
            }
        });
        Maintenance { _stop: stop }
    }

    async fn maintain_for_ever(&self, interval: Duration) {
        let mut rounds = RoundWatch::default();
        // A first look: a round is due only if none was done since.
        if let Err(error) = rounds.claim(&self.inner).await {
            tracing::warn!(error = %ErrorChain(&error), "rounds of maintenance were not read");
        }
        loop {
            // Nodes that were started together must not do their rounds at the same time.
            let spread = SessionId::generate(self.now()).spread() % 256;
            let share = u32::try_from(spread).unwrap_or(0);
            self.inner.clock.sleep(interval.saturating_add(interval / 1024 * share)).await;
            let round = self.maintain_once(&mut rounds).await;
            if let Err(error) = &round {
                tracing::warn!(error = %ErrorChain(error), "sessions were not purged");
            }
            // A clock that is far ahead would end, delete and give up everything, and renew too early.
            let is_trusted = round.is_ok_and(|round| round.is_some_and(|round| round.is_trusted));
            let revoked = revocations::process(&self.inner, MAX_REVOCATIONS, is_trusted).await;
            if let Err(error) = revoked {
                tracing::warn!(error = %ErrorChain(&error), "revocations were not processed");
            }
            if let Err(error) = self.measure().await {
                tracing::warn!(error = %ErrorChain(&error), "the outbox of revocations was not measured");
            }
            if is_trusted && let Err(error) = self.renew_connections().await {
                tracing::warn!(error = %ErrorChain(&error), "connections were not renewed");
            }
        }
    }

    /// Sets the metrics that are not counted as they happen.
    async fn measure(&self) -> Result<(), ManagerError> {
        if cfg!(feature = "metrics") {
            metrics::held(self.stats().held_sessions);
            let backlog = self.revocation_backlog().await?;
            let oldest = backlog.oldest.map_or(Duration::ZERO, |oldest| self.now().since(oldest));
            metrics::revocations_pending(backlog.count, oldest);
        }
        Ok(())
    }

    async fn maintain_once(
        &self,
        rounds: &mut RoundWatch,
    ) -> Result<Option<DueRound>, ManagerError> {
        let round = rounds.claim(&self.inner).await?;
        if round.is_some_and(|round| round.is_trusted) {
            purge::purge(&self.inner).await?;
        }
        Ok(round)
    }

    /// Renews the connections of tool clients that are due by [`Rule::keep_alive`], and returns how
    /// many were. Several of a provider at a time: a quarter of
    /// [`max_concurrent_renewals`](crate::policy::PolicyBuilder::max_concurrent_renewals).
    ///
    /// Several nodes may do so at once, and be stopped at any moment: none is renewed twice, and what
    /// is left is due still.
    ///
    /// [`Rule::keep_alive`]: crate::policy::Rule::keep_alive
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable. A connection that its provider does
    /// not renew is no error.
    pub async fn renew_connections(&self) -> Result<usize, ManagerError> {
        keep_alive::renew_connections(&self.inner).await
    }

    /// Ends sessions that have reached a timeout, and deletes sessions and events that are older
    /// than the policy's retention; in batches, so that no statement holds locks for long (F34).
    ///
    /// Relies on this node's clock: [`maintain`](Self::maintain) compares it with those of others.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable; what was purged stays purged.
    pub async fn purge(&self) -> Result<PurgeReport, ManagerError> {
        purge::purge(&self.inner).await
    }

    /// Asks providers to revoke at most `limit` refresh tokens of sessions that have ended.
    ///
    /// A provider that revokes whole grants, or whose scope is unknown, is asked only when the last
    /// session of the grant is over: otherwise it would sign out the user's other devices (F38). A
    /// session whose subject is unknown counts as using any grant of its user at the provider.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable; unfinished revocations are retried
    /// later.
    pub async fn process_revocations(&self, limit: u64) -> Result<RevocationReport, ManagerError> {
        revocations::process(&self.inner, limit, true).await
    }

    /// Returns how many revocations are pending, and since when: a backlog that grows says that a
    /// provider cannot be reached, or that a key is missing.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable.
    pub async fn revocation_backlog(&self) -> Result<RevocationBacklog, ManagerError> {
        let inner = &self.inner;
        Ok(inner.bounded(inner.store.revocation_backlog()).await?)
    }

    /// Seals with the keyring's first key everything that another key has sealed: sessions and
    /// pending revocations.
    ///
    /// Once nothing was overtaken or is left unreadable, and no node seals with another key any more, the
    /// other keys can be removed. May run beside requests, and
    /// be repeated after it was interrupted.
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] if the store is unavailable, or a value cannot be sealed.
    pub async fn reseal(&self) -> Result<ResealReport, ManagerError> {
        self.reseal_with(|_| {}).await
    }

    /// Seals with the keyring's first key like [`reseal`](Self::reseal), and reports after each batch
    /// what was done so far.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`reseal`](Self::reseal); what was resealed stays so, and the next call
    /// goes on with the rest.
    pub async fn reseal_with(
        &self,
        progress: impl FnMut(ResealReport) + Send,
    ) -> Result<ResealReport, ManagerError> {
        reseal::reseal(&self.inner, progress).await
    }
}

//! The lease: one process at a time renews a session (store law 4).

use std::time::Duration;

use crate::manager::manager::Inner;
use crate::session::SessionId;
use crate::store::{Lease, StoreError, StoredSession};

/// A lease that this task holds.
pub(super) struct HeldLease<'a> {
    inner: &'a Inner,
    id: SessionId,
    lease: Lease,
    /// Whether it was taken over from an owner whose heartbeat stood still, and which may have sent
    /// the refresh token.
    pub(super) was_taken_over: bool,
}

/// The result of trying to acquire a lease.
pub(super) enum LeaseAttempt<'a> {
    Acquired(HeldLease<'a>),
    /// The row has changed: read it again, it may be renewed already.
    RowChanged,
    /// The manager shuts down: no more renewals start.
    ShuttingDown,
}

/// Acquires the lease of a row, or sees the row change. Waits while the lease has an owner whose
/// heartbeat moves.
pub(super) async fn acquire<'a>(
    inner: &'a Inner,
    row: &StoredSession,
) -> Result<LeaseAttempt<'a>, StoreError> {
    let id = row.session.id;
    let Some(mut seen) = row.lease else {
        return claim(inner, id, None).await;
    };
    // Counted from after the read that saw it, on this machine's monotonic clock alone.
    let mut still_since = Some(inner.clock.monotonic());
    loop {
        tokio::select! {
            biased;
            () = inner.tasks.closing() => return Ok(LeaseAttempt::ShuttingDown),
            () = inner.clock.sleep(poll_interval(seen.term)) => {}
        }
        let Ok(found) = inner.bounded(inner.store.find(id)).await else {
            // While the store is unavailable the owner cannot raise its heartbeat either, so a
            // missed heartbeat proves nothing.
            still_since = None;
            continue;
        };
        let same_row = found.filter(|found| found.session.revision == row.session.revision);
        let Some(lease) = same_row.and_then(|row| row.lease) else {
            return Ok(LeaseAttempt::RowChanged);
        };
        let now = inner.clock.monotonic();
        let since = *still_since.get_or_insert(now);
        if (lease.owner, lease.heartbeat) != (seen.owner, seen.heartbeat) {
            (seen, still_since) = (lease, Some(now));
        } else if now.saturating_sub(since) >= lease.term {
            return claim(inner, id, Some(lease)).await;
        }
    }
}

async fn claim(
    inner: &Inner,
    id: SessionId,
    seen: Option<Lease>,
) -> Result<LeaseAttempt<'_>, StoreError> {
    let lease = Lease::new(inner.policy.renewal().lease_term);
    let held = HeldLease { inner, id, lease, was_taken_over: seen.is_some() };
    match inner.bounded(inner.store.claim_lease(id, seen.as_ref(), &lease)).await {
        Ok(Some(_)) => Ok(LeaseAttempt::Acquired(held)),
        Ok(None) => Ok(LeaseAttempt::RowChanged),
        Err(error) => {
            // The claim may have succeeded although its answer was lost, and no task would raise
            // its heartbeat. A lease that was taken over stays, so that the next process knows.
            if !held.was_taken_over {
                held.release().await;
            }
            Err(error)
        }
    }
}

impl HeldLease<'_> {
    pub(super) const fn term(&self) -> Duration {
        self.lease.term
    }

    /// Raises the heartbeat. Returns `false` if another process has the lease, or the session has
    /// ended.
    pub(super) async fn heartbeat(&mut self) -> Result<bool, StoreError> {
        if self.raise().await? {
            return Ok(true);
        }
        // An earlier heartbeat may have arrived although its answer was dropped or lost. No other
        // task has this owner's id, so the stored heartbeat is the one to go on from.
        let row = self.inner.bounded(self.inner.store.find(self.id)).await?;
        let stored = row.filter(|row| row.session.is_live()).and_then(|row| row.lease);
        match stored.filter(|stored| stored.owner == self.lease.owner) {
            Some(stored) if stored.heartbeat != self.lease.heartbeat => {
                self.lease = stored;
                self.raise().await
            }
            _ => Ok(false),
        }
    }

    async fn raise(&mut self) -> Result<bool, StoreError> {
        let raised = self.inner.bounded(self.inner.store.heartbeat(self.id, &self.lease)).await?;
        if raised {
            self.lease = self.lease.raised();
        }
        Ok(raised)
    }

    /// Raises the heartbeat right before something is sent, and returns whether what is left of the
    /// term, counted from before that, exceeds the provider's timeout. Both clocks are asked: the
    /// monotonic clock of a suspended machine stands still.
    ///
    /// A freeze between this check and the sending remains possible.
    pub(super) async fn can_send(&mut self) -> Result<bool, StoreError> {
        let clock = &self.inner.clock;
        let (monotonic, wall) = (clock.monotonic(), clock.now());
        if !self.heartbeat().await? {
            return Ok(false);
        }
        let passed = clock.monotonic().saturating_sub(monotonic).max(clock.now().since(wall));
        let left = self.lease.term.saturating_sub(passed);
        Ok(left > self.inner.policy.renewal().provider_timeout)
    }

    /// Returns the result of work during which the heartbeat is raised, so that no other process
    /// takes the lease over.
    pub(super) async fn with_heartbeats<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = self.inner.clock.sleep(self.lease.term / 4) => {}
            }
            // A heartbeat that fails is not repeated: the next one is near. One that is refused
            // changes nothing for work in progress, whose writes are guarded by the row's revision.
            tokio::select! {
                biased;
                result = &mut work => return result,
                _ = self.heartbeat() => {}
            }
        }
    }

    /// Releases the lease. If that fails, other processes wait for a term.
    pub(super) async fn release(&self) {
        let released = self.inner.store.release_lease(self.id, self.lease.owner);
        if let Err(error) = self.inner.bounded(released).await {
            tracing::debug!(%error, "a lease was not released; it will be taken over");
        }
    }
}

/// Returns how often to look at a lease that another process holds.
fn poll_interval(term: Duration) -> Duration {
    (term / 100).clamp(Duration::from_millis(20), Duration::from_millis(250))
}

//! The lease: one process at a time renews a session (store law 4).

use std::sync::Arc;
use std::time::Duration;

use crate::error_chain::ErrorChain;
use crate::manager::manager::Inner;
use crate::metrics;
use crate::session::SessionId;
use crate::store::{Lease, LeaseOwner, StoreError, StoredSession};

const MIN_RELEASE_PAUSE: Duration = Duration::from_millis(100);
const MAX_RELEASE_PAUSE: Duration = Duration::from_secs(5);

/// A lease that this task holds.
pub(super) struct HeldLease<'a> {
    inner: &'a Arc<Inner>,
    id: SessionId,
    lease: Lease,
    /// When the heartbeat is to be raised next, on the monotonic clock.
    heartbeat_at: Duration,
    /// Whether it was taken over from an owner whose heartbeat stood still, and which may have sent
    /// the refresh token.
    pub(super) was_taken_over: bool,
    /// Whether it is not released: a write has done so, or the refresh token may be spent. Then the
    /// next process must watch it stand still, and so learns that.
    is_kept: bool,
}

/// What waiting for the lease of a row leads to.
pub(super) enum LeaseWait {
    /// It may be claimed, if it is still as it was seen.
    Claimable(ClaimableLease),
    /// The row has changed: read it again, it may be renewed already.
    RowChanged,
    /// The manager shuts down: no more renewals start.
    ShuttingDown,
}

/// A lease that no process holds, or whose owner has stood still for its term.
pub(super) struct ClaimableLease {
    seen: Option<Lease>,
    is_taken_over: bool,
}

/// Waits until the lease of a row may be claimed, or the row changes: while the lease has an owner
/// whose heartbeat moves.
pub(super) async fn wait_for_lease(
    inner: &Inner,
    row: &StoredSession,
    has_waited: &mut bool,
) -> Result<LeaseWait, StoreError> {
    let id = row.session.id;
    let Some(mut seen) = row.lease else {
        return Ok(LeaseWait::Claimable(ClaimableLease { seen: None, is_taken_over: false }));
    };
    // A lease that this process has given up and could not release yet has no living owner.
    if inner.abandoned_leases.contains(id, seen.owner) {
        return Ok(LeaseWait::Claimable(ClaimableLease { seen: Some(seen), is_taken_over: false }));
    }
    // Once for a renewal, however often the row changes meanwhile.
    if !std::mem::replace(has_waited, true) {
        metrics::lease_waited_for();
    }
    // Counted from after the read that saw it, on this machine's monotonic clock alone.
    let mut still_since = Some(inner.clock.monotonic());
    loop {
        tokio::select! {
            biased;
            () = inner.tasks.closing() => return Ok(LeaseWait::ShuttingDown),
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
            return Ok(LeaseWait::RowChanged);
        };
        let now = inner.clock.monotonic();
        let since = *still_since.get_or_insert(now);
        if (lease.owner, lease.heartbeat) != (seen.owner, seen.heartbeat) {
            (seen, still_since) = (lease, Some(now));
        } else if now.saturating_sub(since) >= lease.term {
            let claimable = ClaimableLease { seen: Some(lease), is_taken_over: true };
            return Ok(LeaseWait::Claimable(claimable));
        }
    }
}

impl ClaimableLease {
    /// The lease of a row that was not read, if no process holds it.
    pub(super) const UNREAD: Self = Self { seen: None, is_taken_over: false };

    /// Claims the lease and returns the row; `None` if the lease is no longer as it was seen.
    pub(super) async fn claim(
        self,
        inner: &Arc<Inner>,
        id: SessionId,
    ) -> Result<Option<(HeldLease<'_>, StoredSession)>, StoreError> {
        let lease = Lease::new(inner.policy.renewal().lease_term);
        let heartbeat_at = inner.clock.monotonic().saturating_add(lease.term / 4);
        let was_taken_over = self.is_taken_over;
        let held = HeldLease { inner, id, lease, heartbeat_at, was_taken_over, is_kept: false };
        match inner.bounded(inner.store.claim_lease(id, self.seen.as_ref(), &lease)).await {
            Ok(Some(row)) => {
                if held.was_taken_over {
                    metrics::lease_taken_over();
                }
                Ok(Some((held, row)))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                // The claim may have succeeded although its answer was lost, and no task would
                // raise its heartbeat. A lease that was taken over stays, so that the next process
                // knows.
                if !held.was_taken_over {
                    held.release().await;
                }
                Err(error)
            }
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
        let raised = self.raise_from_stored().await;
        // One that fails is repeated soon: a few that hang must not use up the term.
        let pause = self.lease.term / if raised.is_ok() { 4 } else { 16 };
        self.heartbeat_at = self.inner.clock.monotonic().saturating_add(pause);
        raised
    }

    async fn raise_from_stored(&mut self) -> Result<bool, StoreError> {
        if self.raise().await? {
            return Ok(true);
        }
        // An earlier heartbeat may have arrived although its answer was dropped or lost. No other
        // task has this owner's id, so the stored heartbeat is the one to go on from.
        let row = self.inner.insisting(self.inner.store.find(self.id)).await?;
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
        let raised = self.inner.insisting(self.inner.store.heartbeat(self.id, &self.lease)).await?;
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
            let pause = self.heartbeat_at.saturating_sub(self.inner.clock.monotonic());
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = self.inner.clock.sleep(pause) => {}
            }
            // A heartbeat that is refused changes nothing for work in progress, whose writes are
            // guarded by the row's revision.
            tokio::select! {
                biased;
                result = &mut work => return result,
                _ = self.heartbeat() => {}
            }
        }
    }

    pub(super) const fn owner(&self) -> LeaseOwner {
        self.lease.owner
    }

    /// Leaves the lease as it is, instead of releasing it.
    pub(super) const fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Releases the lease, unless it is kept. If that fails, it is repeated beside other work until
    /// the store is back.
    pub(super) async fn release(self) {
        if self.is_kept {
            return;
        }
        let (inner, id, owner) = (self.inner, self.id, self.lease.owner);
        let Err(error) = inner.insisting(inner.store.release_lease(id, owner)).await else {
            return;
        };
        tracing::debug!(session = %id, error = %ErrorChain(&error), "a lease is not released yet");
        inner.abandoned_leases.insert(id, owner);
        let task = Arc::clone(inner);
        inner.tasks.spawn(async move {
            release_abandoned(&task, id, owner).await;
            task.abandoned_leases.remove(id, owner);
        });
    }
}

/// Releases a lease as soon as the store is back. At a shutdown it is left to be taken over.
async fn release_abandoned(inner: &Inner, id: SessionId, owner: LeaseOwner) {
    let mut pause = MIN_RELEASE_PAUSE;
    loop {
        tokio::select! {
            biased;
            () = inner.tasks.closing() => return,
            () = inner.clock.sleep(pause) => {}
        }
        if inner.insisting(inner.store.release_lease(id, owner)).await.is_ok() {
            return;
        }
        pause = (pause * 2).min(MAX_RELEASE_PAUSE);
    }
}

/// Returns how often to look at a lease that another process holds.
fn poll_interval(term: Duration) -> Duration {
    (term / 100).clamp(Duration::from_millis(20), Duration::from_millis(250))
}

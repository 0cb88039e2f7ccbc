//! Winning, keeping and giving back the right to renew a session (store law 4).

use std::time::Duration;

use super::inner::Inner;
use crate::session::SessionId;
use crate::store::{Lease, StoreError, StoredSession};

/// A lease that this task holds.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lease: Lease,
    /// Taken from an owner who stood still: he may have sent the refresh token.
    pub(super) was_taken_over: bool,
}

/// What came of trying to win a lease.
#[derive(Debug)]
pub(super) enum Bid {
    /// The manager shuts down: no renewal begins any more.
    Closing,
    /// The row has changed: read it again, it may be renewed already.
    RowChanged,
    Won(Held),
}

impl Inner {
    /// Wins the lease of a row, or sees it change. Waits as long as somebody who lives holds it.
    pub(super) async fn win_lease(&self, row: &StoredSession) -> Result<Bid, StoreError> {
        let id = row.session.id;
        let mine = Lease::new(self.policy.renewal().lease_term);
        let Some(mut seen) = row.lease else {
            return self.claim(id, None, mine).await;
        };
        // Counted from after the reading that saw it, on this machine's monotonic clock alone.
        let mut still_since = Some(self.clock.monotonic());
        loop {
            tokio::select! {
                biased;
                () = self.tasks.closing() => return Ok(Bid::Closing),
                () = self.clock.sleep(poll_interval(seen.term)) => {}
            }
            let Ok(now_read) = self.bounded(self.store.find(id)).await else {
                // While the store is away its owner cannot beat: that is no sign of his death.
                still_since = None;
                continue;
            };
            let same_row = now_read.filter(|now| now.session.revision == row.session.revision);
            let Some(lease) = same_row.and_then(|row| row.lease) else {
                return Ok(Bid::RowChanged);
            };
            let now = self.clock.monotonic();
            let since = *still_since.get_or_insert(now);
            if (lease.owner, lease.heartbeat) != (seen.owner, seen.heartbeat) {
                (seen, still_since) = (lease, Some(now));
            } else if now.saturating_sub(since) >= lease.term {
                return self.claim(id, Some(lease), mine).await;
            }
        }
    }

    async fn claim(
        &self,
        id: SessionId,
        seen: Option<Lease>,
        mine: Lease,
    ) -> Result<Bid, StoreError> {
        let held = Held { lease: mine, was_taken_over: seen.is_some() };
        match self.bounded(self.store.claim_lease(id, seen.as_ref(), &mine)).await {
            Ok(true) => Ok(Bid::Won(held)),
            Ok(false) => Ok(Bid::RowChanged),
            Err(error) => {
                // It may be ours although the answer was lost, and nobody would beat for it. One
                // that was taken over stays, so that the next one knows of it.
                if !held.was_taken_over {
                    self.give_back(id, &held).await;
                }
                Err(error)
            }
        }
    }

    /// Shows that the owner lives. `false`: the lease is somebody else's, or the session is over.
    pub(super) async fn beat(&self, id: SessionId, held: &mut Held) -> Result<bool, StoreError> {
        if self.heartbeat(id, held).await? {
            return Ok(true);
        }
        // An earlier beat may have arrived although nobody waited for its answer, or it was lost.
        // No other task has this owner's id, so the row's beat is ours to go on from.
        let row = self.bounded(self.store.find(id)).await?;
        let lease = row.filter(|row| row.session.is_live()).and_then(|row| row.lease);
        match lease.filter(|lease| lease.owner == held.lease.owner) {
            Some(lease) if lease.heartbeat != held.lease.heartbeat => {
                held.lease = lease;
                self.heartbeat(id, held).await
            }
            _ => Ok(false),
        }
    }

    async fn heartbeat(&self, id: SessionId, held: &mut Held) -> Result<bool, StoreError> {
        let raised = self.bounded(self.store.heartbeat(id, &held.lease)).await?;
        if raised {
            held.lease = held.lease.raised();
        }
        Ok(raised)
    }

    /// Raises the beat right before something is sent, and says whether what is left of the term,
    /// counted from before that, outlasts the provider's timeout. Both clocks are asked: a
    /// suspended machine's monotonic clock stood still.
    ///
    /// A freeze between this check and the sending remains possible.
    pub(super) async fn may_send(
        &self,
        id: SessionId,
        held: &mut Held,
    ) -> Result<bool, StoreError> {
        let (monotonic, wall) = (self.clock.monotonic(), self.clock.now());
        if !self.beat(id, held).await? {
            return Ok(false);
        }
        let passed = self.clock.monotonic().saturating_sub(monotonic);
        let passed = passed.max(self.clock.now().since(wall));
        let left = held.lease.term.saturating_sub(passed);
        Ok(left > self.policy.renewal().provider_timeout)
    }

    /// The result of work during which the beat is raised, so that nobody takes the lease over.
    pub(super) async fn beating<T>(
        &self,
        id: SessionId,
        held: &mut Held,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                () = self.clock.sleep(held.lease.term / 4) => {}
            }
            // A beat that fails is not repeated: the next is near. One that is refused changes
            // nothing for work that has begun, for writes are guarded by the row's revision.
            let beat = self.beat(id, held);
            tokio::select! {
                biased;
                result = &mut work => return result,
                _ = beat => {}
            }
        }
    }

    /// Gives the lease back. If that fails, others wait for a term: no harm.
    pub(super) async fn give_back(&self, id: SessionId, held: &Held) {
        let released = self.store.release_lease(id, held.lease.owner);
        if let Err(error) = self.bounded(released).await {
            tracing::debug!(%error, "a lease was not given back; it will be taken over");
        }
    }
}

/// How often a lease that somebody else holds is looked at.
fn poll_interval(term: Duration) -> Duration {
    (term / 100).clamp(Duration::from_millis(20), Duration::from_millis(250))
}

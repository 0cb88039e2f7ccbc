//! What must be done from time to time: purge what is over, and revoke its tokens.

use std::sync::Arc;
use std::time::Duration;

use super::error::ManagerError;
use super::inner::{Inner, SessionManager};
use crate::clock::Timestamp;
use crate::session::{EndReason, Session, SessionId};
use crate::store::{EndTarget, TimeoutBasis, TimeoutQuery};

/// How many rows one statement deletes, and one page reads.
const BATCH: u64 = 500;

/// What a purge did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purged {
    /// Live sessions that had reached a timeout, and are ended now.
    pub timed_out: usize,
    /// Ended sessions that were deleted, their retention being over.
    pub sessions: u64,
    /// Events that were deleted.
    pub events: u64,
}

/// Stops the manager's maintenance on drop.
#[derive(Debug)]
#[must_use = "maintenance stops when this is dropped"]
pub struct Maintenance {
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl SessionManager {
    /// Ends what has reached a timeout, and deletes what has been over for the policy's retention;
    /// in batches, so that no statement holds locks for long (F34).
    ///
    /// # Errors
    ///
    /// [`ManagerError`] if the store is away; what was purged stays purged.
    pub async fn purge(&self) -> Result<Purged, ManagerError> {
        let inner = &self.inner;
        let now = inner.now();
        let shortest = inner.policy.shortest_timeouts();
        let mut purged = Purged::default();
        for (by, timeout) in [
            (TimeoutBasis::LastSeen, shortest.idle),
            (TimeoutBasis::TimeoutsFrom, shortest.absolute),
        ] {
            if let Some(timeout) = timeout {
                purged.timed_out += inner.end_stale(by, now - timeout, now).await?;
            }
        }
        let before = now - inner.policy.retention();
        purged.sessions =
            all_batches(|| inner.bounded(inner.store.purge_ended(before, BATCH))).await?;
        purged.events =
            all_batches(|| inner.bounded(inner.store.purge_events(before, BATCH))).await?;
        Ok(purged)
    }

    /// Purges and works off the outbox every `interval` or so, until the result is dropped or the
    /// manager shuts down. Each node may do so: the work is shared.
    ///
    /// A failure is logged, and the next round tries again.
    pub fn maintain(&self, interval: Duration) -> Maintenance {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let manager = self.clone();
        self.inner.tasks.spawn(async move {
            loop {
                // Nodes that were started together must not come together.
                let spread = SessionId::generate(manager.now()).spread() % 256;
                let share = u32::try_from(spread).unwrap_or(0);
                let pause = interval.saturating_add(interval / 1024 * share);
                tokio::select! {
                    () = manager.inner.clock.sleep(pause) => {}
                    () = manager.inner.tasks.closing() => return,
                    _ = &mut stopped => return,
                }
                manager.maintain_once().await;
            }
        });
        Maintenance { _stop: stop }
    }

    async fn maintain_once(&self) {
        if let Err(error) = self.purge().await {
            tracing::warn!(%error, "sessions were not purged");
        }
        if let Err(error) = self.process_revocations(BATCH).await {
            tracing::warn!(%error, "the outbox of revocations was not worked off");
        }
    }
}

impl Inner {
    async fn end_stale(
        self: &Arc<Self>,
        by: TimeoutBasis,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<usize, ManagerError> {
        let (mut after, mut count) = (None, 0);
        loop {
            let query = TimeoutQuery { by, until, after, limit: BATCH };
            let page = self.bounded(self.store.list_timeout_candidates(query)).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some((stale_time(by, last), last.id));
            for session in &page {
                count += self.end_if_timed_out(session, now).await?;
            }
        }
    }

    /// The page is by the shortest timeouts; each session has those of its own provider.
    pub(super) async fn end_if_timed_out(
        self: &Arc<Self>,
        session: &Session,
        now: Timestamp,
    ) -> Result<usize, ManagerError> {
        let (id, last_seen_at) = (session.id, session.last_seen_at);
        let known = self.presences.last_seen_at(id).unwrap_or(last_seen_at);
        let reason = self.policy.timed_out(session, last_seen_at.max(known), now);
        let target = match reason {
            None => return Ok(0),
            Some(EndReason::Idle) => EndTarget::Unused { id, last_seen_at },
            Some(_) => EndTarget::One { id, user: None },
        };
        let reason = reason.unwrap_or(EndReason::Absolute);
        Ok(self.end(target, reason, now).await?.len())
    }
}

const fn stale_time(by: TimeoutBasis, session: &Session) -> Timestamp {
    match by {
        TimeoutBasis::LastSeen => session.last_seen_at,
        TimeoutBasis::TimeoutsFrom => session.timeouts_from,
    }
}

/// Deletes batch after batch until one is not full.
async fn all_batches<F>(mut batch: impl FnMut() -> F) -> Result<u64, ManagerError>
where
    F: Future<Output = Result<u64, crate::store::StoreError>>,
{
    let mut sum = 0;
    loop {
        let deleted = batch().await?;
        sum += deleted;
        if deleted < BATCH {
            return Ok(sum);
        }
    }
}

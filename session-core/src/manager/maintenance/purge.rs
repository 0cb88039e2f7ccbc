//! Ends what has timed out, and deletes what is older than the retention.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::manager::error::ManagerError;
use crate::manager::manager::Inner;
use crate::manager::row;
use crate::session::Session;
use crate::store::{StoreError, TimeoutBasis, TimeoutQuery};

/// How many rows one statement deletes, and one page reads.
const BATCH: u64 = 500;

/// What a purge did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeReport {
    /// Live sessions that had reached a timeout, and were ended.
    pub timed_out: usize,
    /// Ended sessions older than the retention, which were deleted.
    pub sessions: u64,
    /// Events older than the retention, which were deleted.
    pub events: u64,
}

pub(super) async fn purge(inner: &Arc<Inner>) -> Result<PurgeReport, ManagerError> {
    let now = inner.now();
    let shortest = inner.policy.shortest_timeouts();
    let mut report = PurgeReport::default();
    for (by, timeout) in
        [(TimeoutBasis::LastSeen, shortest.idle), (TimeoutBasis::TimeoutsFrom, shortest.absolute)]
    {
        if let Some(timeout) = timeout {
            report.timed_out += end_timed_out(inner, by, now - timeout, now).await?;
        }
    }
    let before = now - inner.policy.retention();
    report.sessions = all_batches(|| inner.bounded(inner.store.purge_ended(before, BATCH))).await?;
    report.events = all_batches(|| inner.bounded(inner.store.purge_events(before, BATCH))).await?;
    Ok(report)
}

/// Ends sessions that have timed out. The candidates are listed by the shortest timeouts; each
/// session is judged by those of its own provider.
async fn end_timed_out(
    inner: &Arc<Inner>,
    by: TimeoutBasis,
    until: Timestamp,
    now: Timestamp,
) -> Result<usize, ManagerError> {
    let (mut after, mut count) = (None, 0);
    loop {
        let query = TimeoutQuery::new(by, until, BATCH).after(after);
        let page = inner.bounded(inner.store.list_timeout_candidates(query)).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = Some((stale_time(by, last), last.id));
        for session in &page {
            if let Some(timeout) = row::timed_out(inner, session, now) {
                count += usize::from(row::end_timed_out(inner, session, timeout, now).await?);
            }
        }
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
    F: Future<Output = Result<u64, StoreError>>,
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

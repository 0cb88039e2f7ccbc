//! Ends what has timed out, and deletes what is older than the retention.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::event::EventName;
use crate::manager::error::ManagerError;
use crate::manager::manager::Inner;
use crate::manager::row;
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

/// Ends and deletes by this node's clock: one that is far ahead would end and delete everything.
pub(super) async fn purge(inner: &Arc<Inner>) -> Result<PurgeReport, ManagerError> {
    let now = inner.now();
    let mut report = PurgeReport::default();
    for (providers, timeouts) in inner.policy.timeout_rules() {
        let idle = (TimeoutBasis::LastSeen, timeouts.idle);
        for (by, timeout) in [idle, (TimeoutBasis::TimeoutsFrom, timeouts.absolute)] {
            let Some(timeout) = timeout else { continue };
            let query = TimeoutQuery::new(by, now - timeout, BATCH).of(providers.clone());
            report.timed_out += end_timed_out(inner, query, now).await?;
        }
    }
    let before = now - inner.policy.retention();
    report.sessions = all_batches(|| inner.bounded(inner.store.purge_ended(before, BATCH))).await?;
    for name in EventName::ALL {
        let before = now - inner.policy.event_retention(name);
        let batch = || inner.bounded(inner.store.purge_events(name, before, BATCH));
        report.events += all_batches(batch).await?;
    }
    Ok(report)
}

/// Ends the listed sessions that have timed out, counting uses that this process has not written.
async fn end_timed_out(
    inner: &Arc<Inner>,
    query: TimeoutQuery,
    now: Timestamp,
) -> Result<usize, ManagerError> {
    let (mut after, mut count) = (None, 0);
    loop {
        let query = query.clone().after(after);
        let page = inner.bounded(inner.store.list_timeout_candidates(query.clone())).await?;
        let timed_out = |session| Some((session, row::timed_out(inner, session, now)?));
        let timed_out: Vec<_> = page.iter().filter_map(timed_out).collect();
        count += row::end_all_timed_out(inner, &timed_out, now).await?;
        after = page.last().and_then(|last| Some((query.by.time_of(last)?, last.id)));
        if u64::try_from(page.len()).is_ok_and(|length| length < BATCH) {
            return Ok(count);
        }
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

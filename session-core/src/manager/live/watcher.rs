//! Completes the ended signal of sessions that were ended elsewhere or have timed out.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::local_state::LocalState;
use crate::manager::manager::Inner;
use crate::manager::row;
use crate::session::{EndReason, Session};

/// The shortest pause between two reads of the watched rows.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// How many rows one query asks for.
const BATCH: usize = 200;

/// Starts the task that reads the watched rows every `max_staleness`, and when one reaches a
/// timeout. It ends with the manager.
pub(in crate::manager) fn spawn(inner: &Arc<Inner>) {
    let weak = Arc::downgrade(inner);
    inner.tasks.spawn(watch(weak));
}

async fn watch(weak: Weak<Inner>) {
    let mut pause = Duration::ZERO;
    loop {
        // Only what the pause needs is held meanwhile, so that the task does not keep the manager.
        let Some(inner) = weak.upgrade() else { return };
        let max_pause = inner.policy.max_staleness().max(MIN_PAUSE);
        let sleep = inner.clock.sleep(pause.clamp(MIN_PAUSE, max_pause));
        let closing = inner.tasks.closing();
        drop(inner);
        tokio::select! {
            biased;
            () = closing => return,
            () = sleep => {}
        }
        let Some(inner) = weak.upgrade() else { return };
        pause = check_watched(&inner).await.unwrap_or(max_pause);
    }
}

/// Reads the watched rows, and returns the time until the nearest timeout.
async fn check_watched(inner: &Arc<Inner>) -> Option<Duration> {
    let watched = inner.local_states.watched();
    let mut nearest = None;
    for batch in watched.chunks(BATCH) {
        let ids: Vec<_> = batch.iter().map(|state| state.id()).collect();
        match inner.bounded(inner.store.find_all(&ids)).await {
            Ok(rows) => {
                for state in batch {
                    let session = rows.iter().find(|session| session.id == state.id());
                    let left = check(inner, state, session).await;
                    nearest = [nearest, left].into_iter().flatten().min();
                }
            }
            Err(error) => tracing::warn!(%error, "watched sessions were not read"),
        }
    }
    nearest
}

/// Completes the signal if the session is over; otherwise returns the time until its next timeout.
async fn check(
    inner: &Arc<Inner>,
    state: &LocalState,
    session: Option<&Session>,
) -> Option<Duration> {
    let Some(session) = session else {
        // Its row is purged: it was over long ago.
        state.end(EndReason::Absolute);
        return None;
    };
    if let Some(ended) = session.ended {
        state.end(ended.reason);
        return None;
    }
    let now = inner.now();
    if let Some(timeout) = row::timed_out(inner, session, now)
        && !matches!(row::end_timed_out(inner, session, timeout, now).await, Ok(false))
    {
        return None;
    }
    let last_seen_at = state.last_seen_at().max(session.last_seen_at);
    let timeouts = inner.policy.timeouts(&session.provider);
    let deadline = timeouts.deadline(session.timeouts_from, last_seen_at)?;
    Some(deadline.since(now))
}

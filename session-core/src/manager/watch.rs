//! Telling those who wait that a session was ended elsewhere, or has timed out.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::inner::Inner;
use super::presence::Presence;
use crate::session::{EndReason, Session};

/// The shortest pause between two readings of the rows that somebody waits for.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// How many rows one reading asks for.
const BATCH: usize = 200;

/// Reads the rows that somebody waits for again and again, every `max_staleness` and when one
/// reaches a timeout. The task ends with the manager.
pub(super) fn spawn(inner: &Arc<Inner>) {
    let weak = Arc::downgrade(inner);
    inner.tasks.spawn(watch(weak));
}

async fn watch(weak: Weak<Inner>) {
    let mut pause = Duration::ZERO;
    loop {
        // Only what the pause needs is held meanwhile, so that the task does not keep the manager.
        let Some(inner) = weak.upgrade() else { return };
        let longest = inner.policy.max_staleness().max(SHORTEST_PAUSE);
        let sleep = inner.clock.sleep(pause.clamp(SHORTEST_PAUSE, longest));
        let closing = inner.tasks.closing_later();
        drop(inner);
        tokio::select! {
            biased;
            () = closing => return,
            () = sleep => {}
        }
        let Some(inner) = weak.upgrade() else { return };
        pause = inner.look_after_watched().await.unwrap_or(longest);
    }
}

impl Inner {
    /// Reads what somebody waits for; gives the time to the nearest timeout.
    async fn look_after_watched(self: &Arc<Self>) -> Option<Duration> {
        let watched = self.presences.watched();
        let mut nearest = None;
        for batch in watched.chunks(BATCH) {
            let ids: Vec<_> = batch.iter().map(|presence| presence.id()).collect();
            match self.bounded(self.store.find_all(&ids)).await {
                Ok(rows) => {
                    for presence in batch {
                        let row = rows.iter().find(|row| row.id == presence.id());
                        let left = self.look_after(presence, row).await;
                        nearest = [nearest, left].into_iter().flatten().min();
                    }
                }
                Err(error) => tracing::warn!(%error, "watched sessions were not read"),
            }
        }
        nearest
    }

    /// Ends the signal if the session is over; else gives the time to its next timeout.
    async fn look_after(
        self: &Arc<Self>,
        presence: &Presence,
        row: Option<&Session>,
    ) -> Option<Duration> {
        let Some(row) = row else {
            // Its row is purged: it was over long ago.
            presence.end(EndReason::Absolute);
            return None;
        };
        if let Some(ended) = row.ended {
            presence.end(ended.reason);
            return None;
        }
        let now = self.now();
        match self.end_if_timed_out(row, now).await {
            Ok(0) => {}
            Ok(_) | Err(_) => return None,
        }
        let last_seen_at = presence.last_seen_at().max(row.last_seen_at);
        let timeouts = self.policy.timeouts(&row.provider);
        let deadline = timeouts.deadline(row.timeouts_from, last_seen_at)?;
        Some(deadline.since(now))
    }
}

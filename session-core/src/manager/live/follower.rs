//! Learns of ends and renewals on other nodes, and makes what this process has read of those sessions
//! out of date.
//!
//! The event log is read every interval while a session is held that could be served, and at once
//! when a broadcast names sessions. Nothing depends on it: what was read is out of date after the
//! policy's `max_staleness` in any case.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::broadcast::{BroadcastError, ChangeBroadcast, Received};
use crate::clock::{Sleep, Timestamp};
use crate::error_chain::ErrorChain;
use crate::event::{Change, ChangePosition, EventKind};
use crate::manager::manager::Inner;
use crate::metrics;
use crate::session::{Session, SessionId};
use crate::store::{ChangesQuery, StoreError};

/// The shortest pause between two looks at the event log.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// How long a broken broadcast is left alone.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How many changes one query asks for, and how many queries are made in a look at most.
const MAX_CHANGES: u64 = 1000;
const MAX_PAGES: u32 = 8;

/// How many rows one query asks for.
const BATCH: usize = 200;

/// How late a change may be, by a slow commit or a clock that is behind, without being missed by the
/// next look.
const SHORT_OVERLAP: Duration = Duration::from_secs(2);

/// The same for the look that is made every `max_staleness`.
pub(super) const OVERLAP: Duration = Duration::from_secs(60);

/// Starts the task that follows the event log. It ends with the manager.
pub(in crate::manager) fn spawn(inner: &Arc<Inner>) {
    inner.tasks.spawn(follow(Arc::downgrade(inner), inner.broadcast.clone()));
}

async fn follow(weak: Weak<Inner>, broadcast: Option<Arc<dyn ChangeBroadcast>>) {
    let mut follower = Follower::default();
    // Goes on over several pauses: connecting may take longer than one.
    let mut receiving = receive(broadcast.clone(), None);
    loop {
        // Only what the pause needs is held meanwhile, so that the task does not keep the manager.
        let Some(inner) = weak.upgrade() else { return };
        let (sleep, closing) = (inner.clock.sleep(follower.pause(&inner)), inner.tasks.closing());
        drop(inner);
        let received = tokio::select! {
            biased;
            () = closing => return,
            received = &mut receiving => Some(received),
            () = sleep => None,
        };
        let Some(inner) = weak.upgrade() else { return };
        if let Some(received) = received {
            let pause = received.is_err().then(|| inner.clock.sleep(RETRY_PAUSE));
            receiving = receive(broadcast.clone(), pause);
            follower.hear(&inner, received).await;
        }
        follower.look(&inner).await;
    }
}

/// Waits for the next message after a pause, or for ever if there is no broadcast.
fn receive(
    broadcast: Option<Arc<dyn ChangeBroadcast>>,
    pause: Option<Sleep>,
) -> BoxFuture<'static, Result<Received, BroadcastError>> {
    Box::pin(async move {
        if let Some(pause) = pause {
            pause.await;
        }
        match broadcast {
            Some(broadcast) => broadcast.receive().await,
            None => std::future::pending().await,
        }
    })
}

/// What is known between two looks.
#[derive(Default)]
struct Follower {
    /// When the event log is read next, and when with the long overlap, on the monotonic clock.
    next_look: Duration,
    next_long_look: Duration,
    recent: Progress,
    late: Progress,
    /// Whether a broadcast tells of changes.
    is_connected: bool,
}

impl Follower {
    fn pause(&self, inner: &Inner) -> Duration {
        self.next_look.saturating_sub(inner.clock.monotonic()).max(MIN_PAUSE)
    }

    /// Returns how often the event log is read. A broadcast makes it seldom.
    fn interval(&self, inner: &Inner) -> Duration {
        let staleness = inner.policy.max_staleness();
        let interval = match self.is_connected {
            true => staleness,
            false => inner.policy.follow_interval().min(staleness),
        };
        interval.max(MIN_PAUSE)
    }

    async fn hear(&mut self, inner: &Inner, received: Result<Received, BroadcastError>) {
        match received {
            Ok(Received::Changed(ids)) => read_again(inner, ids).await,
            Ok(Received::Connected) => {
                self.is_connected = true;
                (self.next_look, self.next_long_look) = (Duration::ZERO, Duration::ZERO);
            }
            Err(error) => {
                if self.is_connected {
                    tracing::warn!(error = %ErrorChain(&error), "changes elsewhere are not broadcast");
                }
                self.is_connected = false;
                self.next_look = Duration::ZERO;
            }
        }
    }

    async fn look(&mut self, inner: &Inner) {
        let monotonic = inner.clock.monotonic();
        if monotonic < self.next_look {
            return;
        }
        self.next_look = monotonic.saturating_add(self.interval(inner));
        if !inner.local_states.may_be_served(inner.policy.max_staleness(), monotonic) {
            (self.recent, self.late) = (Progress::default(), Progress::default());
            metrics::follower_lag(Duration::ZERO);
            return;
        }
        let read = self.read(inner, monotonic).await;
        metrics::follower_lag(self.recent.lag(inner));
        if let Err(error) = read {
            tracing::warn!(error = %ErrorChain(&error), "changes elsewhere were not read");
        }
    }

    async fn read(&mut self, inner: &Inner, monotonic: Duration) -> Result<(), StoreError> {
        if monotonic < self.next_long_look {
            return self.recent.read(inner, SHORT_OVERLAP).await;
        }
        self.late.read(inner, OVERLAP).await?;
        // That includes what is recent, unless it did not come to an end.
        if self.late.after.is_none() {
            self.next_long_look = monotonic.saturating_add(inner.policy.max_staleness());
            self.recent = Progress { read_until: self.late.read_until, after: None };
        }
        Ok(())
    }
}

/// How far the event log was read.
#[derive(Default)]
struct Progress {
    /// Until when all changes were read, by the wall clock; `None` while nothing was followed.
    read_until: Option<Timestamp>,
    /// Where a look goes on that did not come to an end.
    after: Option<ChangePosition>,
}

impl Progress {
    /// Returns how long ago all changes were read.
    fn lag(&self, inner: &Inner) -> Duration {
        self.read_until.map_or(Duration::ZERO, |until| inner.now().since(until))
    }

    /// Reads the changes since the last look, however long ago.
    async fn read(&mut self, inner: &Inner, overlap: Duration) -> Result<(), StoreError> {
        let now = inner.now();
        let since = (*self.read_until.get_or_insert(now)).min(now) - overlap;
        for _ in 0..MAX_PAGES {
            let query = ChangesQuery::new(since, MAX_CHANGES).after(self.after);
            let page = inner.bounded(inner.store.list_changes(query)).await?;
            learn(inner, &page);
            let is_full = u64::try_from(page.len()).is_ok_and(|count| count >= MAX_CHANGES);
            self.after = page.last().filter(|_| is_full).map(|change| change.position);
            if !is_full {
                self.read_until = Some(now);
                return Ok(());
            }
        }
        Ok(())
    }
}

fn learn(inner: &Inner, changes: &[Change]) {
    let monotonic = inner.clock.monotonic();
    for Change { session, kind, position, .. } in changes {
        match kind {
            EventKind::Ended(reason) => inner.local_states.learn_end(*session, *reason),
            EventKind::Renewed | EventKind::SteppedUp => {
                inner.local_states.learn_renewal(*session, position.at, monotonic);
            }
            EventKind::Created | EventKind::RenewalFailed(_) => {}
        }
    }
}

/// Reads the rows of sessions that another node says have changed, if this process holds them.
async fn read_again(inner: &Inner, mut ids: Vec<SessionId>) {
    inner.local_states.retain_held(&mut ids);
    for ids in ids.chunks(BATCH) {
        match inner.bounded(inner.store.find_all(ids)).await {
            Ok(rows) => learn_rows(inner, &rows),
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "changed sessions were not read");
            }
        }
    }
}

fn learn_rows(inner: &Inner, rows: &[Session]) {
    let monotonic = inner.clock.monotonic();
    for session in rows {
        match (session.ended, session.renewed_at) {
            (Some(ended), _) => inner.local_states.learn_end(session.id, ended.reason),
            (None, Some(at)) => inner.local_states.learn_renewal(session.id, at, monotonic),
            (None, None) => {}
        }
    }
}

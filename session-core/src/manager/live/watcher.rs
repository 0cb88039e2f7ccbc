//! Completes the ended signal of sessions that have timed out.
//!
//! The deadlines of the watched sessions are kept in a heap, and only rows that are due are read.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::follower;
use super::local_state::LocalState;
use crate::clock::Timestamp;
use crate::error_chain::ErrorChain;
use crate::manager::manager::Inner;
use crate::manager::row;
use crate::session::{EndReason, Session};

/// The shortest pause between two looks.
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// How many rows one query asks for.
const BATCH: usize = 200;

/// Starts the task that watches sessions. It ends with the manager.
pub(in crate::manager) fn spawn(inner: &Arc<Inner>) {
    let weak = Arc::downgrade(inner);
    inner.tasks.spawn(watch(weak));
}

async fn watch(weak: Weak<Inner>) {
    let mut watcher = Watcher::default();
    loop {
        // Only what the pause needs is held meanwhile, so that the task does not keep the manager.
        let Some(inner) = weak.upgrade() else { return };
        let pause = watcher.pause(&inner);
        let queue = Arc::clone(inner.local_states.queue());
        queue.set_next_look(inner.now() + pause);
        let (sleep, closing) = (inner.clock.sleep(pause), inner.tasks.closing());
        drop(inner);
        tokio::select! {
            biased;
            () = closing => return,
            () = queue.woken() => {}
            () = sleep => {}
        }
        let Some(inner) = weak.upgrade() else { return };
        watcher.look(&inner).await;
    }
}

/// What the watcher knows between two looks.
#[derive(Default)]
struct Watcher {
    watched: BinaryHeap<Watched>,
    /// From how many entries on those of sessions that are no longer watched are swept out.
    sweep_at: usize,
    /// When that is looked at next, on the monotonic clock.
    next_sweep: Duration,
}

/// A watched session and when its row is to be read. The heap has the nearest one on top.
struct Watched {
    /// `None` if it has no deadline.
    due: Option<Timestamp>,
    /// Whether the row is read even if the session was used meanwhile.
    must_read: bool,
    state: Weak<LocalState>,
}

impl Watcher {
    /// Returns how long to wait: until the next sweep, or the nearest deadline.
    fn pause(&self, inner: &Inner) -> Duration {
        let until_sweep = self.next_sweep.saturating_sub(inner.clock.monotonic());
        let nearest = self.watched.peek().and_then(|watched| watched.due);
        let until_due = nearest.map_or(until_sweep, |due| due.since(inner.now()));
        until_sweep.min(until_due).max(MIN_PAUSE)
    }

    async fn look(&mut self, inner: &Arc<Inner>) {
        self.take_added(inner);
        self.check_due(inner).await;
        let monotonic = inner.clock.monotonic();
        if monotonic >= self.next_sweep {
            self.next_sweep = monotonic.saturating_add(inner.policy.max_staleness().max(MIN_PAUSE));
            self.sweep();
            inner.local_states.queue().note_watching(|| self.is_any_watched());
        }
    }

    fn take_added(&mut self, inner: &Inner) {
        let monotonic = inner.clock.monotonic();
        for added in inner.local_states.queue().take() {
            let Some(state) = added.state.upgrade() else { continue };
            // Changes since then are still listed, unless the row was read long ago.
            let is_old = monotonic.saturating_sub(added.read_at) >= follower::OVERLAP / 2;
            let due = if is_old { Some(inner.now()) } else { state.deadline() };
            self.watched.push(Watched { due, must_read: is_old, state: added.state });
        }
    }

    /// Reads the rows of the sessions that have reached a deadline.
    async fn check_due(&mut self, inner: &Arc<Inner>) {
        let due = self.pop_due(inner.now());
        for batch in due.chunks(BATCH) {
            let ids: Vec<_> = batch.iter().map(|state| state.id()).collect();
            let rows = inner.bounded(inner.store.find_all(&ids)).await;
            if let Err(error) = &rows {
                tracing::warn!(error = %ErrorChain(&error), "watched sessions were not read");
            }
            for state in batch {
                let again = match &rows {
                    Ok(rows) => check(inner, state, rows).await,
                    Err(_) => without_row(inner, state),
                };
                if let Again::At(due) = again {
                    let state = Arc::downgrade(state);
                    self.watched.push(Watched { due, must_read: true, state });
                }
            }
        }
    }

    fn pop_due(&mut self, now: Timestamp) -> Vec<Arc<LocalState>> {
        let mut due = Vec::new();
        while let Some(watched) = self.watched.peek()
            && watched.due.is_some_and(|at| at <= now)
        {
            let Some(watched) = self.watched.pop() else { break };
            let Some(state) = watched.state.upgrade() else { continue };
            if state.is_unwatched() {
                continue;
            }
            let deadline = state.deadline();
            if watched.must_read || deadline.is_some_and(|at| at <= now) {
                due.push(state);
            } else {
                // It was used meanwhile.
                self.watched.push(Watched { due: deadline, ..watched });
            }
        }
        due
    }

    fn is_any_watched(&self) -> bool {
        let mut states = self.watched.iter().filter_map(|watched| watched.state.upgrade());
        states.any(|state| state.is_watched())
    }

    fn sweep(&mut self) {
        if self.watched.len() < self.sweep_at.max(BATCH) {
            return;
        }
        self.watched
            .retain(|watched| watched.state.upgrade().is_some_and(|state| !state.is_unwatched()));
        self.sweep_at = self.watched.len().saturating_mul(2);
    }
}

/// Whether a session is watched further.
enum Again {
    No,
    /// Its row is read again then; `None` if it has no deadline.
    At(Option<Timestamp>),
}

/// Completes the signal if the session is over; otherwise returns its next deadline.
async fn check(inner: &Arc<Inner>, state: &LocalState, rows: &[Session]) -> Again {
    let Some(session) = rows.iter().find(|session| session.id == state.id()) else {
        // Its row is purged: it was over long ago.
        state.end(EndReason::Absolute);
        return Again::No;
    };
    if let Some(ended) = session.ended {
        state.end(ended.reason);
        return Again::No;
    }
    state.learn(session);
    let now = inner.now();
    let Some(timeout) = row::timed_out(inner, session, now) else {
        // An outage of the store has put off a deadline that has passed.
        let soon = now + inner.policy.max_staleness();
        let deadline = state.deadline();
        return Again::At(deadline.map(|deadline| if deadline > now { deadline } else { soon }));
    };
    match row::end_timed_out(inner, session, timeout, now).await {
        Ok(true) => Again::No,
        // It was used or ended meanwhile.
        Ok(false) => Again::At(Some(now + MIN_PAUSE)),
        Err(_) => without_row(inner, state),
    }
}

/// Decides without the store, which is away: the absolute timeout is known and cannot be put off.
fn without_row(inner: &Inner, state: &LocalState) -> Again {
    let now = inner.now();
    if state.absolute_deadline().is_some_and(|deadline| now >= deadline) {
        state.end(EndReason::Absolute);
        return Again::No;
    }
    Again::At(Some(now + inner.policy.max_staleness()))
}

impl Watched {
    /// Later deadlines are less; none is least.
    fn rank(&self) -> Option<std::cmp::Reverse<Timestamp>> {
        self.due.map(std::cmp::Reverse)
    }
}

impl Ord for Watched {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Watched {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Watched {}

//! What a process knows of a session beside its row: that it was just used, and that it is over.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::watch_queue::WatchQueue;
use crate::clock::{Timestamp, millis};
use crate::manager::peak::shrink_after_peak;
use crate::policy::Timeouts;
use crate::session::{EndReason, Session, SessionId};

/// One session in one process; shared by all that hold the session there.
#[derive(Debug)]
pub(in crate::manager) struct LocalState {
    id: SessionId,
    timeouts: Timeouts,
    timeouts_from: Timestamp,
    ended: watch::Sender<Option<EndReason>>,
    /// The same, for the check at each request: the sender's value is behind a lock.
    is_over: AtomicBool,
    last_seen: AtomicI64,
    /// The last use that was written to the row, or is being written.
    written: AtomicI64,
    /// The last renewal that this process knows of.
    renewed_at: AtomicI64,
    /// What was read before this monotonic time, in nanoseconds, is out of date.
    stale_before: AtomicU64,
    /// Whether the watcher knows of it.
    is_queued: AtomicBool,
    registry: Arc<Registry>,
}

impl LocalState {
    fn new(session: &Session, timeouts: Timeouts, registry: &Arc<Registry>) -> Self {
        let millis = session.last_seen_at.as_millis();
        Self {
            id: session.id,
            timeouts,
            timeouts_from: session.timeouts_from,
            ended: watch::Sender::new(None),
            is_over: AtomicBool::new(false),
            last_seen: AtomicI64::new(millis),
            written: AtomicI64::new(millis),
            renewed_at: AtomicI64::new(renewal_of(session)),
            stale_before: AtomicU64::new(0),
            is_queued: AtomicBool::new(false),
            registry: Arc::clone(registry),
        }
    }

    /// Returns when the session reaches a timeout, as far as this process knows of its uses.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.timeouts.deadline(self.timeouts_from, self.last_seen_at())
    }

    /// Returns when the session ends however much it is used; `None` if never.
    pub(super) fn absolute_deadline(&self) -> Option<Timestamp> {
        self.timeouts.absolute_deadline(self.timeouts_from)
    }

    /// Hands the session over to the watcher, once, with the monotonic time at which its row was
    /// read.
    fn watch(self: &Arc<Self>, read_at: Duration) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.registry.queue.add(Arc::downgrade(self), self.deadline(), read_at);
        }
    }

    /// Lets the watcher forget the session if no signal is left; returns whether it may.
    pub(super) fn is_unwatched(&self) -> bool {
        if self.is_watched() {
            return false;
        }
        self.is_queued.store(false, Ordering::Release);
        // A signal that was created in between counts on the watcher, unless it has queued it again.
        !self.is_watched() || self.is_queued.swap(true, Ordering::AcqRel)
    }

    pub(in crate::manager) const fn id(&self) -> SessionId {
        self.id
    }

    pub(in crate::manager) fn last_seen_at(&self) -> Timestamp {
        Timestamp::from_millis(self.last_seen.load(Ordering::Relaxed))
    }

    /// Returns whether this process knows that the session has ended.
    pub(in crate::manager) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Notes a use at `now`, and returns whether it is to be written: `true` for one caller per
    /// interval.
    pub(in crate::manager) fn note_use(&self, now: Timestamp, interval: Duration) -> bool {
        let now = now.as_millis();
        // Many threads may use one session: within a millisecond one of them writes.
        if self.last_seen.load(Ordering::Relaxed) < now {
            self.last_seen.fetch_max(now, Ordering::Relaxed);
        }
        let written = self.written.load(Ordering::Relaxed);
        let due = now.saturating_sub(written) >= millis(interval).max(1);
        let relaxed = Ordering::Relaxed;
        due && self.written.compare_exchange(written, now, relaxed, relaxed).is_ok()
    }

    /// Takes over the last use and the last renewal that the row has.
    pub(super) fn learn(&self, session: &Session) {
        let last_seen = session.last_seen_at.as_millis();
        self.last_seen.fetch_max(last_seen, Ordering::Relaxed);
        self.written.fetch_max(last_seen, Ordering::Relaxed);
        self.renewed_at.fetch_max(renewal_of(session), Ordering::Relaxed);
    }

    /// Takes note of a renewal: what was read before `monotonic` is out of date, unless this process
    /// knew of the renewal.
    fn learn_renewal(&self, at: Timestamp, monotonic: Duration) {
        if self.renewed_at.fetch_max(at.as_millis(), Ordering::Relaxed) < at.as_millis() {
            self.stale_before.fetch_max(nanos(monotonic), Ordering::Release);
        }
    }

    /// Returns whether what was read at this monotonic time is out of date.
    pub(super) fn is_stale(&self, read_at: Duration) -> bool {
        self.is_over() || nanos(read_at) < self.stale_before.load(Ordering::Acquire)
    }

    /// Lets a failed write of a use be retried after a sixteenth of the interval, and not at each
    /// request: a store that accepts no writes must not get more of them.
    pub(in crate::manager) fn retry_write_soon(&self, interval: Duration) {
        self.written.fetch_sub(millis(interval - interval / 16), Ordering::Relaxed);
    }

    /// Completes the ended signals; the first reason stays.
    pub(in crate::manager) fn end(&self, reason: EndReason) {
        self.is_over.store(true, Ordering::Release);
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            *ended = ended.or(Some(reason));
            is_first
        });
    }

    pub(super) fn is_watched(&self) -> bool {
        self.ended.receiver_count() > 0 && !self.is_over()
    }
}

impl Drop for LocalState {
    /// Takes the state out of the map, which else would keep its memory, unless another one has
    /// taken its place. So no last reference may be dropped while the map is locked.
    fn drop(&mut self) {
        let mut sessions = self.registry.lock();
        if sessions.held.get(&self.id).is_some_and(|held| held.strong_count() == 0) {
            sessions.held.remove(&self.id);
            shrink_after_peak(&mut sessions.held);
        }
    }
}

/// Completes when the session is over: at once in this process, within the policy's
/// `max_staleness` in every other, and at the session's timeouts. Never on a renewal or rotation.
///
/// A receiver of a plain value, for handlers of web sockets and server-sent events. Holding it does
/// not count as a use of the session.
#[derive(Debug, Clone)]
pub struct EndedSignal {
    receiver: watch::Receiver<Option<EndReason>>,
    /// Keeps the sender alive.
    _state: Arc<LocalState>,
}

impl EndedSignal {
    /// The state comes from a row that was read at this monotonic time.
    pub(super) fn of(state: &Arc<LocalState>, read_at: Duration) -> Self {
        let signal = Self { receiver: state.ended.subscribe(), _state: Arc::clone(state) };
        state.watch(read_at);
        signal
    }

    /// Waits until the session is over, and returns why.
    pub async fn wait(&mut self) -> EndReason {
        // No reference to the value may live over an await: it is not `Send`.
        let reason = self.receiver.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        match reason {
            Some(reason) => reason,
            // Cannot happen: the sender lives as long as `_state`.
            None => std::future::pending().await,
        }
    }

    /// Returns why the session is over, if it is.
    #[must_use]
    pub fn reason(&self) -> Option<EndReason> {
        *self.receiver.borrow()
    }
}

/// The sessions that are held in this process.
#[derive(Debug, Default)]
pub(in crate::manager) struct LocalStates(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    sessions: Mutex<KnownSessions>,
    queue: Arc<WatchQueue<LocalState>>,
}

#[derive(Debug, Default)]
struct KnownSessions {
    held: HashMap<SessionId, Weak<LocalState>>,
    /// The monotonic time of the last row that was read.
    last_read: Duration,
    /// Sessions that ended here a moment ago: a read that began before may still find them live.
    over: HashMap<SessionId, EndReason>,
    /// The same in their order, each with the monotonic time of its end.
    over_since: VecDeque<(Duration, SessionId)>,
}

/// For how long an end is remembered: longer than any read takes.
const MAX_READ_TIME: Duration = Duration::from_secs(120);

impl LocalStates {
    /// Returns the state of a session whose row was just read. It is over already if the session
    /// ended in this process after the read.
    pub(in crate::manager) fn of(
        &self,
        session: &Session,
        timeouts: Timeouts,
        monotonic: Duration,
    ) -> Arc<LocalState> {
        let mut sessions = self.0.lock();
        sessions.last_read = monotonic;
        let over = sessions.over.get(&session.id).copied();
        let state = sessions.state(session, timeouts, &self.0);
        drop(sessions);
        if let Some(reason) = over {
            state.end(reason);
        }
        state
    }

    /// Returns how many sessions are held.
    pub(in crate::manager) fn count(&self) -> usize {
        self.0.lock().held.len()
    }

    /// Returns the last use that this process knows of, if it holds the session.
    pub(in crate::manager) fn last_seen_at(&self, id: SessionId) -> Option<Timestamp> {
        Some(self.held(id)?.last_seen_at())
    }

    /// Marks a session as over for all that hold it, or are about to.
    pub(in crate::manager) fn end(&self, id: SessionId, reason: EndReason, monotonic: Duration) {
        let state = {
            let mut sessions = self.0.lock();
            sessions.forget_over(monotonic);
            if sessions.over.insert(id, reason).is_none() {
                sessions.over_since.push_back((monotonic, id));
            }
            sessions.held.remove(&id).and_then(|state| state.upgrade())
        };
        if let Some(state) = state {
            state.end(reason);
        }
    }

    /// Takes note of an end on another node, if this process holds the session.
    pub(in crate::manager) fn learn_end(&self, id: SessionId, reason: EndReason) {
        if let Some(state) = self.held(id) {
            state.end(reason);
        }
    }

    /// Takes note of a renewal on another node, if this process holds the session.
    pub(super) fn learn_renewal(&self, id: SessionId, at: Timestamp, monotonic: Duration) {
        if let Some(state) = self.held(id) {
            state.learn_renewal(at, monotonic);
        }
    }

    /// Makes what was read of a session until `monotonic` out of date.
    pub(in crate::manager) fn doubt(&self, id: SessionId, monotonic: Duration) {
        if let Some(state) = self.held(id) {
            state.stale_before.fetch_max(nanos(monotonic).saturating_add(1), Ordering::Release);
        }
    }

    /// Returns whether a change elsewhere would matter here: an end is waited for, or a row was
    /// read so recently that a cache may serve it.
    pub(super) fn may_be_served(&self, max_staleness: Duration, monotonic: Duration) -> bool {
        let sessions = self.0.lock();
        let is_recent = monotonic.saturating_sub(sessions.last_read) < max_staleness;
        self.0.queue.is_watching() || (is_recent && !sessions.held.is_empty())
    }

    /// Keeps the ids of sessions that this process holds.
    pub(super) fn retain_held(&self, ids: &mut Vec<SessionId>) {
        let sessions = self.0.lock();
        ids.retain(|id| sessions.held.contains_key(id));
    }

    fn held(&self, id: SessionId) -> Option<Arc<LocalState>> {
        self.0.lock().held.get(&id).and_then(Weak::upgrade)
    }

    pub(super) fn queue(&self) -> &Arc<WatchQueue<LocalState>> {
        &self.0.queue
    }
}

/// Returns the last renewal of a session's row, in milliseconds; the least number if there was none.
fn renewal_of(session: &Session) -> i64 {
    session.renewed_at.map_or(i64::MIN, Timestamp::as_millis)
}

fn nanos(monotonic: Duration) -> u64 {
    u64::try_from(monotonic.as_nanos()).unwrap_or(u64::MAX)
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, KnownSessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownSessions {
    fn state(
        &mut self,
        session: &Session,
        timeouts: Timeouts,
        registry: &Arc<Registry>,
    ) -> Arc<LocalState> {
        let id = session.id;
        if let Some(state) = self.held.get(&id).and_then(Weak::upgrade) {
            state.learn(session);
            return state;
        }
        let state = Arc::new(LocalState::new(session, timeouts, registry));
        self.held.insert(id, Arc::downgrade(&state));
        state
    }

    fn forget_over(&mut self, monotonic: Duration) {
        while let Some((since, id)) = self.over_since.front().copied() {
            if monotonic.saturating_sub(since) <= MAX_READ_TIME {
                return;
            }
            self.over_since.pop_front();
            self.over.remove(&id);
            shrink_after_peak(&mut self.over);
        }
    }
}

//! What one process knows of a session beside its row: that it was just used, and that it is over.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Timestamp, millis};
use crate::session::{EndReason, SessionId};

/// One session in one process; shared by all that hold the session there.
#[derive(Debug)]
pub(crate) struct Presence {
    id: SessionId,
    ended: watch::Sender<Option<EndReason>>,
    /// The same, for those who ask at each request: the sender's value is behind a lock.
    is_over: AtomicBool,
    last_seen: AtomicI64,
    /// The last use that was written to the row, or is being written.
    written: AtomicI64,
}

impl Presence {
    fn new(id: SessionId, last_seen_at: Timestamp) -> Self {
        let millis = last_seen_at.as_millis();
        let (last_seen, written) = (AtomicI64::new(millis), AtomicI64::new(millis));
        let ended = watch::Sender::new(None);
        Self { id, ended, is_over: AtomicBool::new(false), last_seen, written }
    }

    pub(crate) const fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn last_seen_at(&self) -> Timestamp {
        Timestamp::from_millis(self.last_seen.load(Ordering::Relaxed))
    }

    /// Whether this process knows that the session has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Notes a use at `now`. Whether it is time to write one: for one caller in an interval.
    pub(crate) fn note_use(&self, now: Timestamp, interval: Duration) -> bool {
        let now = now.as_millis();
        self.last_seen.fetch_max(now, Ordering::Relaxed);
        let written = self.written.load(Ordering::Relaxed);
        let due = now.saturating_sub(written) >= millis(interval).max(1);
        let relaxed = Ordering::Relaxed;
        due && self.written.compare_exchange(written, now, relaxed, relaxed).is_ok()
    }

    /// Takes over what the row says of the last use.
    fn learn_use(&self, last_seen_at: Timestamp) {
        self.last_seen.fetch_max(last_seen_at.as_millis(), Ordering::Relaxed);
        self.written.fetch_max(last_seen_at.as_millis(), Ordering::Relaxed);
    }

    /// Forgets that a use was written: one in a sixteenth of the interval tries again, and not each
    /// request, for a store that takes no writes has trouble enough.
    pub(crate) fn unwrite_use(&self, interval: Duration) {
        self.written.fetch_sub(millis(interval - interval / 16), Ordering::Relaxed);
    }

    /// Tells all who wait that the session is over; the first reason stays.
    pub(crate) fn end(&self, reason: EndReason) {
        self.is_over.store(true, Ordering::Release);
        self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            *ended = ended.or(Some(reason));
            is_first
        });
    }

    fn is_watched(&self) -> bool {
        self.ended.receiver_count() > 0 && !self.is_over()
    }
}

/// Completes when the session is over: at once on this process, within the policy's
/// `max_staleness` on every other, and at the session's timeouts. Never on a renewal or rotation.
///
/// A receiver of a value, for handlers of web sockets and server-sent events; holding it is no use
/// of the session.
#[derive(Debug, Clone)]
pub struct EndedSignal {
    receiver: watch::Receiver<Option<EndReason>>,
    /// Keeps the sender alive.
    _presence: Arc<Presence>,
}

impl EndedSignal {
    pub(crate) fn of(presence: &Arc<Presence>) -> Self {
        Self { receiver: presence.ended.subscribe(), _presence: Arc::clone(presence) }
    }

    /// Why the session is over, as soon as it is.
    pub async fn wait(&mut self) -> EndReason {
        // No reference to the value may live over an await: it is not `Send`.
        let reason = self.receiver.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        match reason {
            Some(reason) => reason,
            // The sender lives as long as `_presence`, and the value waited for is there.
            None => std::future::pending().await,
        }
    }

    /// Why the session is over, if it is already.
    #[must_use]
    pub fn reason(&self) -> Option<EndReason> {
        *self.receiver.borrow()
    }
}

/// The sessions that somebody on this process holds.
#[derive(Debug, Default)]
pub(crate) struct Presences {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<SessionId, Weak<Presence>>,
    /// What ended here a moment ago: a reading that began before may still bring it back alive.
    over: HashMap<SessionId, EndReason>,
    /// The same in their order, with the monotonic moment of the end.
    over_since: VecDeque<(Duration, SessionId)>,
}

/// For how long an end is remembered: longer than any reading takes.
const LONGEST_READING: Duration = Duration::from_secs(120);

impl Presences {
    /// The presence of a session whose row was just read. It is over already if the session ended
    /// on this process after its row was read.
    pub(crate) fn of(&self, id: SessionId, last_seen_at: Timestamp) -> Arc<Presence> {
        let mut state = self.lock();
        let over = state.over.get(&id).copied();
        let presence = state.presence(id, last_seen_at);
        if let Some(reason) = over {
            presence.end(reason);
        }
        presence
    }

    /// The last use that this process knows of, if anybody here holds the session.
    pub(crate) fn last_seen_at(&self, id: SessionId) -> Option<Timestamp> {
        let presence = self.lock().known.get(&id).and_then(Weak::upgrade)?;
        Some(presence.last_seen_at())
    }

    /// Tells all who hold this session, or are about to, that it is over.
    pub(crate) fn end(&self, id: SessionId, reason: EndReason, monotonic: Duration) {
        let presence = {
            let mut state = self.lock();
            state.forget_over(monotonic);
            if state.over.insert(id, reason).is_none() {
                state.over_since.push_back((monotonic, id));
            }
            state.known.remove(&id).and_then(|presence| presence.upgrade())
        };
        if let Some(presence) = presence {
            presence.end(reason);
        }
    }

    /// The sessions for whose end somebody waits.
    pub(crate) fn watched(&self) -> Vec<Arc<Presence>> {
        let state = self.lock();
        let held = state.known.values().filter_map(Weak::upgrade);
        held.filter(|presence| presence.is_watched()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn presence(&mut self, id: SessionId, last_seen_at: Timestamp) -> Arc<Presence> {
        if let Some(presence) = self.known.get(&id).and_then(Weak::upgrade) {
            presence.learn_use(last_seen_at);
            return presence;
        }
        if self.known.len() == self.known.capacity() {
            self.known.retain(|_, presence| presence.strong_count() > 0);
        }
        let presence = Arc::new(Presence::new(id, last_seen_at));
        self.known.insert(id, Arc::downgrade(&presence));
        presence
    }

    fn forget_over(&mut self, monotonic: Duration) {
        while let Some((since, id)) = self.over_since.front().copied() {
            if monotonic.saturating_sub(since) <= LONGEST_READING {
                return;
            }
            self.over_since.pop_front();
            self.over.remove(&id);
        }
    }
}

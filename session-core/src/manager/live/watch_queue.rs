//! The sessions whose end is waited for, on their way to the watcher.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Timestamp;

/// What the watcher is told between two of its rounds.
#[derive(Debug)]
pub(super) struct WatchQueue<S> {
    added: Mutex<Vec<AddedWatch<S>>>,
    wake: Notify,
    /// When the watcher looks next, in milliseconds of the wall clock.
    next_look: AtomicI64,
    /// Whether an end is waited for.
    is_watching: AtomicBool,
}

/// A session that is watched from now on.
#[derive(Debug)]
pub(super) struct AddedWatch<S> {
    pub(super) state: Weak<S>,
    /// The monotonic time at which its row was read.
    pub(super) read_at: Duration,
}

impl<S> Default for WatchQueue<S> {
    fn default() -> Self {
        Self {
            added: Mutex::default(),
            wake: Notify::new(),
            next_look: AtomicI64::new(0),
            is_watching: AtomicBool::new(false),
        }
    }
}

impl<S> WatchQueue<S> {
    /// Adds a session, and wakes the watcher if it would miss the deadline.
    pub(super) fn add(&self, state: Weak<S>, deadline: Option<Timestamp>, read_at: Duration) {
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        added.push(AddedWatch { state, read_at });
        drop(added);
        self.is_watching.store(true, Ordering::Release);
        let next_look = self.next_look.load(Ordering::Acquire);
        if deadline.is_some_and(|deadline| deadline.as_millis() < next_look) {
            self.wake.notify_one();
        }
    }

    pub(super) fn take(&self) -> Vec<AddedWatch<S>> {
        std::mem::take(&mut self.added.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns whether an end is waited for.
    pub(super) fn is_watching(&self) -> bool {
        self.is_watching.load(Ordering::Acquire)
    }

    /// Notes whether an end is waited for, as far as the watcher knows; a session that is added
    /// meanwhile is not overlooked.
    pub(super) fn note_watching(&self, is_any_watched: impl FnOnce() -> bool) {
        self.is_watching.store(false, Ordering::Release);
        let is_any_added = !self.added.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if is_any_added || is_any_watched() {
            self.is_watching.store(true, Ordering::Release);
        }
    }

    /// Notes when the watcher looks next.
    pub(super) fn set_next_look(&self, at: Timestamp) {
        self.next_look.store(at.as_millis(), Ordering::Release);
    }

    /// Completes when a session was added whose deadline is near.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }
}

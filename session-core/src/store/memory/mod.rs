//! A store in the memory of one process.

mod events;
mod key_rotation;
mod lifecycle;
mod lookup;
mod outbox;
mod rounds;
mod rows;
mod update;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::event::{ChangePosition, Event, EventKind};
use crate::session::Session;
use crate::store::{PendingRevocation, RevocationId};
use rows::Rows;

/// Keeps sessions in the memory of one process: for tests, and for services of a single process
/// that may sign all users out when they restart.
///
/// All [laws](crate::store) hold among the clones of one store, which share their sessions. Two
/// processes share nothing, and a restart forgets everything: sessions, events, and the refresh
/// tokens that were still to be revoked. Lookups by digest, id, user and partition are indexed;
/// purging and re-sealing scan all sessions.
///
/// ```
/// use session_core::store::{SessionLookup, memory::MemoryStore};
/// use session_core::session::SecretDigest;
/// use session_core::UserId;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// assert!(store.list(&UserId::new("ann").unwrap()).await.unwrap().is_empty());
/// assert_eq!(store.find_by_digest(&SecretDigest::of("unknown")).await.unwrap(), None);
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<Tables>>,
}

/// Everything that the store keeps, under one lock.
#[derive(Debug, Default)]
struct Tables {
    rows: Rows,
    outbox: BTreeMap<RevocationId, PendingRevocation>,
    events: BTreeMap<ChangePosition, Event>,
    /// Numbers the events.
    last_event: u128,
    /// Raised by each admission. One counter for all partitions orders each of them.
    admissions: u64,
    /// The time of each round of maintenance, by its number.
    rounds: BTreeMap<u64, Timestamp>,
    imported_are_held: bool,
}

impl MemoryStore {
    /// Creates a store without sessions.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether every migrated session is held, as before the cutover of its migration.
    ///
    /// A store in memory has no migrations: this is for tests of what waits for a cutover.
    ///
    /// ```
    /// use session_core::store::{MigratedSessions, memory::MemoryStore};
    /// use session_core::{SessionId, Timestamp};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// store.hold_imported(true);
    /// let id = SessionId::generate(Timestamp::from_millis(0));
    /// assert!(!store.is_held(id).await.unwrap(), "an unknown session is not held");
    /// # });
    /// ```
    pub fn hold_imported(&self, is_held: bool) {
        self.state().imported_are_held = is_held;
    }

    /// Locks the state. Each method does so once and across no await, which makes it one effect. A
    /// panic under the lock can only come from `decide`, which is called before any change.
    fn state(&self) -> MutexGuard<'_, Tables> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn record(&mut self, session: &Session, kind: EventKind, at: Timestamp) {
        self.add_event(Event::new(session, kind, at));
    }

    fn add_event(&mut self, event: Event) {
        self.last_event += 1;
        let position = ChangePosition { at: event.at, id: Uuid::from_u128(self.last_event) };
        self.events.insert(position, event);
    }
}

fn at_most(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

//! A store that fails, hangs or loses its results on demand.

mod forward;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::{SessionStore, StoreError, StoreErrorKind};
use crate::testing::Gate;

/// Declares the methods and the list of all of them from one list.
macro_rules! methods {
    ($($name:ident => $trait:ident::$method:ident),+ $(,)?) => {
        /// A method of a [`SessionStore`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $(
                #[doc = concat!("[`", stringify!($trait), "::", stringify!($method), "`](crate::store::", stringify!($trait), "::", stringify!($method), ")")]
                $name
            ),+
        }

        impl Method {
            /// Every method.
            pub const ALL: [Self; 36] = [$(Self::$name),+];
        }
    };
}

methods! {
    Admit => SessionLifecycle::admit,
    ClaimLease => RenewalLeases::claim_lease,
    ClaimRound => MaintenanceRounds::claim_round,
    ClaimRevocations => RevocationOutbox::claim_revocations,
    CompleteRevocation => RevocationOutbox::complete_revocation,
    ConfirmRotation => SessionUpdates::confirm_rotation,
    CountLive => SessionLookup::count_live,
    End => SessionLifecycle::end,
    EnqueueRevocation => RevocationOutbox::enqueue_revocation,
    Events => EventLog::events,
    Find => SessionLookup::find,
    FindAll => SessionLookup::find_all,
    FindByDigest => SessionLookup::find_by_digest,
    Heartbeat => RenewalLeases::heartbeat,
    IsHeld => MigratedSessions::is_held,
    List => SessionLookup::list,
    ListChanges => EventLog::list_changes,
    ListMigrated => MigratedSessions::list_migrated,
    ListRevocationsSealedWithOtherKey => KeyRotation::list_revocations_sealed_with_other_key,
    ListRounds => MaintenanceRounds::list_rounds,
    ListSealedWithOtherKey => KeyRotation::list_sealed_with_other_key,
    ListTimeoutCandidates => SessionLookup::list_timeout_candidates,
    ListUnclaimed => MigratedSessions::list_unclaimed,
    PostponeRevocation => RevocationOutbox::postpone_revocation,
    PurgeEnded => SessionLifecycle::purge_ended,
    PurgeEvents => EventLog::purge_events,
    Record => EventLog::record,
    ReleaseLease => RenewalLeases::release_lease,
    Reseal => KeyRotation::reseal,
    ResealRevocation => KeyRotation::reseal_revocation,
    RevocationBacklog => RevocationOutbox::revocation_backlog,
    RotateSecret => SessionUpdates::rotate_secret,
    SamplePerKey => KeyRotation::sample_per_key,
    StepUp => SessionUpdates::step_up,
    Touch => SessionUpdates::touch,
    WriteTokens => SessionUpdates::write_tokens,
}

/// A fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The call takes effect and then fails: its result is lost.
    After(StoreErrorKind),
    /// The call fails without an effect.
    Before(StoreErrorKind),
    /// The call takes effect, and returns only when it is [released](FaultyStore::release).
    HangAfter,
    /// The call starts only when it is [released](FaultyStore::release).
    HangBefore,
    /// The call panics.
    Panic,
}

impl Fault {
    /// The store is unavailable.
    pub const AWAY: Self = Self::Before(StoreErrorKind::Unavailable);
    /// The connection broke after the effect.
    pub const ANSWER_LOST: Self = Self::After(StoreErrorKind::Unavailable);
}

/// A store that fails, hangs or loses its results on demand, and counts its calls. Clones are the
/// same store.
///
/// ```
/// use session_core::store::{SessionLookup, memory::MemoryStore};
/// use session_core::testing::{Fault, FaultyStore, Method, sample};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = FaultyStore::new(MemoryStore::new());
/// store.set(Method::List, Fault::AWAY);
/// assert!(store.list(&sample::user("ann")).await.unwrap_err().is_transient());
/// store.clear(Method::List);
/// assert!(store.list(&sample::user("ann")).await.is_ok());
/// assert_eq!(store.calls(Method::List), 2);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct FaultyStore {
    inner: Arc<dyn SessionStore>,
    switches: Arc<Mutex<HashMap<Method, Switch>>>,
}

#[expect(clippy::panic, reason = "the fault that a test asks for")]
fn injected_panic() -> ! {
    panic!("an injected panic")
}

/// The faults of one method.
#[derive(Debug)]
struct Switch {
    calls: usize,
    next: VecDeque<Fault>,
    always: Option<Fault>,
    gate: Gate,
}

impl Default for Switch {
    fn default() -> Self {
        // Only calls that are to hang reach the gate.
        let gate = Gate::new();
        gate.close();
        Self { calls: 0, next: VecDeque::new(), always: None, gate }
    }
}

impl FaultyStore {
    /// Wraps a store, without faults.
    #[must_use]
    pub fn new(store: impl SessionStore) -> Self {
        Self::over(Arc::new(store))
    }

    /// Wraps a shared store, without faults.
    #[must_use]
    pub fn over(store: Arc<dyn SessionStore>) -> Self {
        Self { inner: store, switches: Arc::default() }
    }

    /// Sets the fault of every further call of a method.
    pub fn set(&self, method: Method, fault: Fault) {
        self.with(method, |switch| switch.always = Some(fault));
    }

    /// Sets the fault of every further call of every method.
    pub fn set_all(&self, fault: Fault) {
        Method::ALL.into_iter().for_each(|method| self.set(method, fault));
    }

    /// Adds a fault for one call: the first one for the next call, the second for the one after it.
    pub fn set_next(&self, method: Method, fault: Fault) {
        self.with(method, |switch| switch.next.push_back(fault));
    }

    /// Removes the faults of a method, and releases its calls that hang.
    pub fn clear(&self, method: Method) {
        self.with(method, |switch| {
            switch.always = None;
            switch.next.clear();
        });
        self.release(method);
    }

    /// Removes all faults, and releases all calls that hang.
    pub fn clear_all(&self) {
        Method::ALL.into_iter().for_each(|method| self.clear(method));
    }

    /// Releases the calls of a method that hang; later ones hang as before.
    pub fn release(&self, method: Method) {
        let gate = self.gate(method);
        gate.open();
        gate.close();
    }

    /// Waits until at least `count` calls of a method hang.
    pub async fn until_hanging(&self, method: Method, count: usize) {
        self.gate(method).until_held(count).await;
    }

    /// Returns how many calls of a method hang.
    #[must_use]
    pub fn hanging(&self, method: Method) -> usize {
        self.gate(method).held()
    }

    /// Returns how often a method was called, whatever the result.
    #[must_use]
    pub fn calls(&self, method: Method) -> usize {
        self.with(method, |switch| switch.calls)
    }

    /// Returns how often all methods were called.
    #[must_use]
    pub fn total_calls(&self) -> usize {
        self.lock().values().map(|switch| switch.calls).sum()
    }

    /// Resets all counts to zero.
    pub fn reset_calls(&self) {
        self.lock().values_mut().for_each(|switch| switch.calls = 0);
    }

    /// Runs a call with its fault.
    async fn call<T>(
        &self,
        method: Method,
        effect: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let fault = self.with(method, |switch| {
            switch.calls += 1;
            switch.next.pop_front().or(switch.always)
        });
        match fault {
            None => effect.await,
            Some(Fault::Before(kind)) => Err(StoreError::new(kind)),
            Some(Fault::After(kind)) => {
                effect.await?;
                Err(StoreError::new(kind))
            }
            Some(Fault::Panic) => injected_panic(),
            Some(Fault::HangBefore) => {
                self.gate(method).pass().await;
                effect.await
            }
            Some(Fault::HangAfter) => {
                let result = effect.await;
                self.gate(method).pass().await;
                result
            }
        }
    }

    fn gate(&self, method: Method) -> Gate {
        self.with(method, |switch| switch.gate.clone())
    }

    fn with<T>(&self, method: Method, change: impl FnOnce(&mut Switch) -> T) -> T {
        change(self.lock().entry(method).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Method, Switch>> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

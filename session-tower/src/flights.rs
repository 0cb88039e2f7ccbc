//! Readings of rows that are in progress, each shared by all requests that wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use session_core::UserId;
use session_core::manager::{ManagerError, Resolution};
use session_core::session::SecretDigest;

/// What a reading leads to, for each request that waits for it.
pub(crate) type Read = Result<Resolution, Arc<ManagerError>>;

/// The readings of one process.
///
/// A reading is driven by the requests that wait for it: if the one that began it is gone, another
/// one goes on with it, and if all are gone, it ends.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<Flight, WeakShared<BoxFuture<'static, Read>>>>);

/// Requests share a reading if they look for the same digest on behalf of the same user, and if
/// nothing about the digest has changed since it began.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) digest: [u8; 32],
    pub(crate) user: Option<UserId>,
    pub(crate) generation: u64,
}

impl Flight {
    pub(crate) const fn new(digest: &SecretDigest, user: Option<UserId>, generation: u64) -> Self {
        Self { digest: *digest.as_bytes(), user, generation }
    }
}

impl Flights {
    /// Waits for the reading that is in progress, or for this one.
    pub(crate) async fn join(
        &self,
        flight: Flight,
        read: impl Future<Output = Read> + Send + 'static,
    ) -> Read {
        let shared = self.shared(&flight, read);
        let read = shared.clone().await;
        let mut flights = self.lock();
        // A later reading may have taken the place.
        let in_place = flights.get(&flight).and_then(WeakShared::upgrade);
        if in_place.is_some_and(|in_place| in_place.ptr_eq(&shared)) {
            flights.remove(&flight);
        }
        read
    }

    fn shared(
        &self,
        flight: &Flight,
        read: impl Future<Output = Read> + Send + 'static,
    ) -> Shared<BoxFuture<'static, Read>> {
        let mut flights = self.lock();
        if let Some(shared) = flights.get(flight).and_then(WeakShared::upgrade) {
            return shared;
        }
        // Readings that nothing waited for to their end are still listed.
        if flights.len() == flights.capacity() {
            flights.retain(|_, shared| shared.upgrade().is_some());
        }
        let shared = read.boxed().shared();
        if let Some(weak) = shared.downgrade() {
            flights.insert(flight.clone(), weak);
        }
        shared
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Flight, WeakShared<BoxFuture<'static, Read>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

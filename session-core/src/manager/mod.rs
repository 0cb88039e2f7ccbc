//! The session manager: where clock, policy, store and provider meet.

mod builder;
mod end;
mod error;
mod flight;
mod gate;
mod lease;
mod list;
mod live;
mod maintenance;
mod observe;
mod outbox;
mod persist;
mod presence;
mod renewal;
mod reseal;
mod resolve;
mod rotate;
mod sign_in;
mod tasks;
mod token;
mod watch;

use std::fmt;
use std::sync::Arc;

pub use builder::{ManagerBuilder, StartError};
pub use error::{ManagerError, ManagerErrorKind, TokenError, TokenErrorKind};
pub use list::ListedSession;
pub use live::{LiveSession, Validity};
pub use maintenance::{Maintenance, Purged};
pub use observe::CacheInvalidation;
pub use outbox::WorkedOff;
pub use presence::EndedSignal;
pub use reseal::Resealed;
pub use resolve::Resolution;
pub use rotate::Rotated;
pub use sign_in::{Connected, SignIn, SignedIn};

use crate::clock::{Clock, Timestamp};
use crate::policy::{SessionPolicy, fits, narrowness};
use crate::provider::Provider;
use crate::session::ProviderName;
use crate::store::{SessionStore, StoreError, StoreErrorKind};
use crate::token::Keyring;
use flight::Flights;
use gate::Gates;
use observe::Observers;
use presence::Presences;
use tasks::Tasks;

/// Signs people in, finds their sessions, keeps their tokens fresh, and signs them out.
///
/// Cheap to clone; all clones are one manager. Calls take their effect where they are awaited, and
/// what must not be lost (a rotated token, an end) runs in tasks of its own, so that any future of
/// this type may be dropped.
///
/// ```
/// use session_core::manager::{SessionManager, SignIn};
/// use session_core::store::memory::MemoryStore;
/// use session_core::{Keyring, ProviderName, SessionPolicy, TokenResponse, UserId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = SessionManager::builder(MemoryStore::new())
///     .policy(SessionPolicy::builder().max_sessions(10).build()?)
///     .keyring(Keyring::parse(&Keyring::generate_entry("2026")?)?)
///     .start()
///     .await?;
/// let (ann, okta) = (UserId::new("ann")?, ProviderName::new("okta")?);
/// let phone = manager.sign_in(SignIn::new(&ann, &okta, TokenResponse::bearer("at-1"))).await?;
/// let laptop = manager.sign_in(SignIn::new(&ann, &okta, TokenResponse::bearer("at-2"))).await?;
/// assert_eq!(manager.list(&ann, Some(laptop.session.id)).await?.len(), 2);
/// assert_ne!(phone.secret.digest(), laptop.secret.digest());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionManager {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn SessionStore>,
    policy: SessionPolicy,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    /// The narrowest pattern first.
    providers: Vec<(String, Arc<dyn Provider>)>,
    flights: Flights,
    gates: Gates,
    presences: Presences,
    observers: Observers,
    tasks: Tasks,
}

impl SessionManager {
    /// A builder for a manager on this store.
    pub fn builder(store: impl SessionStore) -> ManagerBuilder {
        ManagerBuilder::new(Arc::new(store))
    }

    /// A builder for a manager on a store that others use as well.
    pub fn builder_on(store: Arc<dyn SessionStore>) -> ManagerBuilder {
        ManagerBuilder::new(store)
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &SessionPolicy {
        &self.inner.policy
    }

    /// The clock's moment, for whoever must agree with the manager on the time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Tells `cache` from now on which digests it must forget.
    pub fn keep_informed(&self, cache: &Arc<impl CacheInvalidation>) {
        self.inner.observers.add(cache);
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The provider of this name, or the narrowest pattern that fits it.
    fn provider(&self, name: &ProviderName) -> Option<&Arc<dyn Provider>> {
        let mut providers = self.providers.iter();
        providers.find(|(pattern, _)| fits(pattern, name.as_str())).map(|(_, provider)| provider)
    }

    /// The answer of a call to the store, or that it is away, within the policy's bound.
    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bound = self.clock.sleep(self.policy.store_timeout());
        tokio::select! {
            biased;
            answer = call => answer,
            () = bound => Err(StoreError::new(StoreErrorKind::Unavailable).caused_by("no answer in time")),
        }
    }
}

/// Sorts providers so that the first whose pattern fits is the narrowest.
fn by_narrowness(providers: &mut [(String, Arc<dyn Provider>)]) {
    providers.sort_by_key(|(pattern, _)| std::cmp::Reverse(narrowness(pattern)));
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("store", &self.inner.store)
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}

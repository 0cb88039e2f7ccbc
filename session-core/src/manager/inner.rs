//! The manager itself: what it is made of, and what all its calls share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::flight::Flights;
use super::gate::Gates;
use super::hold::Holds;
use super::observe::{CacheInvalidation, Observers};
use super::presence::Presences;
use super::tasks::Tasks;
use crate::clock::{Clock, Timestamp};
use crate::policy::{SessionPolicy, fits};
use crate::provider::Provider;
use crate::session::{Origin, ProviderName, Session};
use crate::store::{SessionStore, StoreError, StoreErrorKind};
use crate::token::Keyring;

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
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) policy: SessionPolicy,
    pub(super) keyring: Keyring,
    pub(super) clock: Arc<dyn Clock>,
    /// The narrowest pattern first.
    pub(super) providers: Vec<(String, Arc<dyn Provider>)>,
    pub(super) flights: Flights,
    pub(super) gates: Gates,
    pub(super) holds: Holds,
    pub(super) presences: Presences,
    pub(super) observers: Observers,
    pub(super) tasks: Tasks,
}

impl SessionManager {
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
    pub(crate) fn add_cache(&self, cache: &Arc<impl CacheInvalidation>) {
        self.inner.observers.add(cache);
    }
}

impl Inner {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The provider of this name, or the narrowest pattern that fits it.
    pub(super) fn provider(&self, name: &ProviderName) -> Option<&Arc<dyn Provider>> {
        let mut providers = self.providers.iter();
        providers.find(|(pattern, _)| fits(pattern, name.as_str())).map(|(_, provider)| provider)
    }

    /// For how long a session is to be left to the system that it comes from; `None` if it is
    /// ours. One question, and only about a session that was moved here.
    pub(super) async fn held_for(&self, session: &Session) -> Result<Option<Duration>, StoreError> {
        if session.origin != Origin::Imported {
            return Ok(None);
        }
        let (id, now) = (session.id, self.clock.monotonic());
        if let Some(left) = self.holds.left(id, now) {
            return Ok(Some(left));
        }
        let is_held = self.bounded(self.store.is_held(id)).await?;
        Ok(is_held.then(|| self.holds.note(id, now)))
    }

    /// The answer of a call to the store, or that it is away, within the policy's bound.
    pub(super) async fn bounded<T>(
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

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("store", &self.inner.store)
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}

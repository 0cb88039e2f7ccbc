//! The manager: what it is made of, and what all its calls share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::error::ManagerError;
use super::live::announcer::Announcer;
use super::live::{CacheRegistry, LocalStates};
use super::notices::Notices;
use super::renewal::{AbandonedLeases, MigrationHold, Pauses, ProviderBackoff, SingleFlight};
use super::store_health::StoreHealth;
use super::tasks::Tasks;
use crate::broadcast::ChangeBroadcast;
use crate::clock::{Clock, Sleep, Timestamp};
use crate::policy::{SessionPolicy, matches_pattern};
use crate::provider::Provider;
use crate::session::{ProviderName, SessionId};
use crate::store::{SessionStore, StoreError, StoreErrorKind};
use crate::token::{Keyring, Resource};

/// Signs users in, finds their sessions, keeps their tokens fresh, and signs them out.
///
/// Cheap to clone; all clones share one manager. Any future of this type may be dropped: work that
/// must not be lost, such as storing a rotated token or ending a session, runs in its own task.
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

/// The parts of a manager, shared by its clones and its tasks.
pub(crate) struct Inner {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) policy: SessionPolicy,
    pub(super) keyring: Keyring,
    pub(super) clock: Arc<dyn Clock>,
    /// Sorted by pattern, the most specific first.
    pub(super) providers: Vec<(String, Arc<dyn Provider>)>,
    pub(super) renewals: SingleFlight,
    pub(super) backoff: ProviderBackoff,
    pub(super) abandoned_leases: AbandonedLeases,
    /// Resources for which a provider gives a session no token.
    pub(super) refused_resources: Pauses<(SessionId, Resource)>,
    /// Renewals because a resource server, of the main resource or another one, rejected a token.
    pub(super) rejections: Pauses<(SessionId, Option<Resource>)>,
    pub(super) migration_hold: MigrationHold,
    pub(super) local_states: LocalStates,
    pub(crate) caches: CacheRegistry,
    pub(super) broadcast: Option<Arc<dyn ChangeBroadcast>>,
    pub(super) announcer: Announcer,
    pub(super) tasks: Tasks,
    pub(super) store_health: StoreHealth,
    pub(super) notices: Notices,
    pub(super) unreadable_reads: AtomicU64,
}

/// # Policy, clock, providers and shutdown
impl SessionManager {
    /// Returns the policy.
    #[must_use]
    pub fn policy(&self) -> &SessionPolicy {
        &self.inner.policy
    }

    /// Returns the current time of the manager's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    /// Returns whether a provider was added under this name, or under a pattern that it matches.
    #[must_use]
    pub fn has_provider(&self, name: &ProviderName) -> bool {
        self.inner.provider(name).is_some()
    }

    /// Shuts the manager down: starts no more renewals, waits at most `deadline` for running tasks,
    /// and returns whether all of them finished.
    ///
    /// A rotated token that the store has not accepted before the deadline is lost, and its session
    /// needs a new sign-in (store law 5).
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        let Inner { tasks, clock, .. } = &*self.inner;
        tasks.close();
        let in_time = tokio::select! {
            biased;
            () = tasks.all_done() => true,
            () = clock.sleep(deadline) => false,
        };
        tasks.give_up();
        in_time
    }

    pub(crate) const fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Inner {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Starts work that comes to its end even if no one waits for it.
    pub(crate) fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Result<T, ManagerError>> + Send {
        self.tasks.detach(async move { Ok(work.await) })
    }

    pub(crate) fn sleep(&self, span: Duration) -> Sleep {
        self.clock.sleep(span)
    }

    /// Returns the provider with the most specific pattern that matches this name.
    pub(super) fn provider(&self, name: &ProviderName) -> Option<&Arc<dyn Provider>> {
        let mut providers = self.providers.iter();
        providers
            .find(|(pattern, _)| matches_pattern(pattern, name.as_str()))
            .map(|(_, provider)| provider)
    }

    /// Waits for a call to the store for at most the policy's `store_timeout`, and otherwise
    /// reports the store as unavailable; at once, if it is known to be away.
    pub(super) async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.store_health.allows_call(self.clock.monotonic()) {
            true => self.insisting(call).await,
            false => Err(unavailable("it did not answer a moment ago")),
        }
    }

    /// Waits for a call to the store like [`bounded`](Self::bounded), but makes it even if the store
    /// is known to be away: for writes that must not wait for another call to find it back.
    pub(super) async fn insisting<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let (from, started) = (self.now(), self.clock.monotonic());
        let timeout = self.clock.sleep(self.policy.store_timeout());
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = timeout => Err(unavailable("no answer in time")),
        };
        match &answer {
            Err(error) if error.kind() == StoreErrorKind::Unavailable => {
                let ended = self.clock.monotonic();
                self.store_health.note_failure(from, ended.saturating_sub(started), ended);
            }
            _ => self.store_health.note_answer(self.now()),
        }
        answer
    }
}

fn unavailable(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable).caused_by(why)
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("store", &self.inner.store)
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}

//! Builds a manager, and refuses to start with a configuration that cannot work.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::error::StartError;
use super::live::announcer::{Announcer, Sending};
use super::live::{CacheRegistry, LocalStates, follower, watcher};
use super::maintenance::check_keys;
use super::manager::{Inner, SessionManager};
use super::notices::Notices;
use super::renewal::{AbandonedLeases, MigrationHold, Pauses, ProviderBackoff, SingleFlight};
use super::store_health::StoreHealth;
use super::tasks::Tasks;
use crate::broadcast::ChangeBroadcast;
use crate::clock::{Clock, SystemClock};
use crate::metrics;
use crate::policy::{SessionPolicy, is_pattern, specificity};
use crate::provider::Provider;
use crate::store::SessionStore;
use crate::token::Keyring;

/// Turns a store, a provider or a broadcast, or an [`Arc`] that shares one with other parts of the
/// application, into a shared one.
///
/// Implemented for every [`SessionStore`], [`Provider`] and [`ChangeBroadcast`], and for `Arc`s of
/// them.
///
/// ```
/// use std::sync::Arc;
///
/// use session_core::manager::SessionManager;
/// use session_core::store::{SessionStore, memory::MemoryStore};
///
/// let own = SessionManager::builder(MemoryStore::new());
/// let shared: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
/// let sharing = SessionManager::builder(Arc::clone(&shared));
/// # let _ = (own, sharing);
/// ```
pub trait IntoShared<T: ?Sized> {
    /// Converts into the shared form.
    fn into_shared(self) -> Arc<T>;
}

impl<T: ?Sized> IntoShared<T> for Arc<T> {
    fn into_shared(self) -> Self {
        self
    }
}

impl<S: SessionStore> IntoShared<dyn SessionStore> for S {
    fn into_shared(self) -> Arc<dyn SessionStore> {
        Arc::new(self)
    }
}

impl<S: SessionStore> IntoShared<dyn SessionStore> for Arc<S> {
    fn into_shared(self) -> Arc<dyn SessionStore> {
        self
    }
}

impl<P: Provider> IntoShared<dyn Provider> for P {
    fn into_shared(self) -> Arc<dyn Provider> {
        Arc::new(self)
    }
}

impl<P: Provider> IntoShared<dyn Provider> for Arc<P> {
    fn into_shared(self) -> Arc<dyn Provider> {
        self
    }
}

impl<B: ChangeBroadcast> IntoShared<dyn ChangeBroadcast> for B {
    fn into_shared(self) -> Arc<dyn ChangeBroadcast> {
        Arc::new(self)
    }
}

impl<B: ChangeBroadcast> IntoShared<dyn ChangeBroadcast> for Arc<B> {
    fn into_shared(self) -> Arc<dyn ChangeBroadcast> {
        self
    }
}

/// # Building a manager
impl SessionManager {
    /// Returns a builder for a manager on this store, which may be shared.
    pub fn builder(store: impl IntoShared<dyn SessionStore>) -> ManagerBuilder {
        ManagerBuilder {
            store: store.into_shared(),
            policy: None,
            keyring: None,
            clock: Arc::new(SystemClock::new()),
            providers: Vec::new(),
            broadcast: None,
        }
    }
}

/// Builds a [`SessionManager`].
#[must_use]
pub struct ManagerBuilder {
    store: Arc<dyn SessionStore>,
    policy: Option<SessionPolicy>,
    keyring: Option<Keyring>,
    clock: Arc<dyn Clock>,
    providers: Vec<(String, Arc<dyn Provider>)>,
    broadcast: Option<Arc<dyn ChangeBroadcast>>,
}

impl ManagerBuilder {
    /// Sets the policy (default: the defaults of [`SessionPolicy::builder`]).
    pub fn policy(mut self, policy: SessionPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets the keys that seal and open tokens. Required: there is no default (K3).
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// Sets the clock (default: [`SystemClock`]).
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Adds the provider with this name, or for all names that match a pattern such as `mcp:*`; the
    /// most specific pattern wins. Stored sessions of a provider that was not added are served, but
    /// their tokens are not renewed, and a new sign-in that brings a refresh token of it fails; a
    /// manager without any provider renews no tokens.
    pub fn provider(
        mut self,
        pattern: impl Into<String>,
        provider: impl IntoShared<dyn Provider>,
    ) -> Self {
        self.providers.push((pattern.into(), provider.into_shared()));
        self
    }

    /// Sets what tells other nodes at once which sessions have changed (default: each looks for
    /// itself, every [`follow_interval`](crate::policy::PolicyBuilder::follow_interval)).
    pub fn broadcast(mut self, broadcast: impl IntoShared<dyn ChangeBroadcast>) -> Self {
        self.broadcast = Some(broadcast.into_shared());
        self
    }

    /// Starts the manager, after checking that its keys open one stored session per key id.
    ///
    /// Must be called in a tokio runtime, on which the manager's tasks run.
    ///
    /// # Errors
    ///
    /// Returns [`StartError`] if there is no keyring, a provider's pattern is malformed, the store
    /// cannot be read, or a key does not open what is stored under its id. Nothing is deleted then.
    /// A key id that no key has is only logged: its sessions stay until the key is back.
    pub async fn start(mut self) -> Result<SessionManager, StartError> {
        let keyring = self.keyring.ok_or(StartError::NoKeyring)?;
        if let Some((pattern, _)) = self.providers.iter().find(|(pattern, _)| !is_pattern(pattern))
        {
            return Err(StartError::BadPattern { pattern: pattern.clone() });
        }
        self.providers.sort_by_key(|(pattern, _)| std::cmp::Reverse(specificity(pattern)));
        let policy = match self.policy {
            Some(policy) => policy,
            None => SessionPolicy::builder().build()?,
        };
        let (announcer, announcements) = Announcer::new(self.broadcast.is_some());
        let backoff = ProviderBackoff::new(policy.renewal().max_concurrent.get());
        let inner = Arc::new(Inner {
            store: self.store,
            policy,
            keyring,
            clock: self.clock,
            providers: self.providers,
            renewals: SingleFlight::default(),
            backoff,
            abandoned_leases: AbandonedLeases::default(),
            refused_resources: Pauses::default(),
            rejections: Pauses::default(),
            migration_hold: MigrationHold::default(),
            local_states: LocalStates::default(),
            caches: CacheRegistry::default(),
            broadcast: self.broadcast,
            announcer,
            tasks: Tasks::new(),
            store_health: StoreHealth::default(),
            notices: Notices::default(),
            unreadable_reads: AtomicU64::new(0),
        });
        metrics::register();
        check_keys(&inner).await?;
        watcher::spawn(&inner);
        follower::spawn(&inner);
        if let Some(broadcast) = inner.broadcast.clone() {
            let (clock, timeout) = (Arc::clone(&inner.clock), inner.policy.store_timeout());
            let sending = Sending { broadcast, clock, timeout };
            inner.tasks.spawn(sending.run(announcements, inner.tasks.closing()));
        }
        Ok(SessionManager { inner })
    }
}

impl fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerBuilder").field("store", &self.store).finish_non_exhaustive()
    }
}

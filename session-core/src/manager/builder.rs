//! Puts a manager together, and refuses to start what could not work.

use std::fmt;
use std::sync::Arc;

use super::error::StartError;
use super::flight::Flights;
use super::gate::Gates;
use super::hold::Holds;
use super::inner::{Inner, SessionManager};
use super::observe::Observers;
use super::presence::Presences;
use super::tasks::Tasks;
use super::{reseal, watch};
use crate::clock::{Clock, SystemClock};
use crate::policy::{SessionPolicy, is_pattern, narrowness};
use crate::provider::Provider;
use crate::store::SessionStore;
use crate::token::Keyring;

impl SessionManager {
    /// A builder for a manager on this store.
    pub fn builder(store: impl SessionStore) -> ManagerBuilder {
        ManagerBuilder::new(Arc::new(store))
    }

    /// A builder for a manager on a store that others use as well.
    pub fn builder_on(store: Arc<dyn SessionStore>) -> ManagerBuilder {
        ManagerBuilder::new(store)
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
}

impl ManagerBuilder {
    fn new(store: Arc<dyn SessionStore>) -> Self {
        let clock = Arc::new(SystemClock::new());
        Self { store, policy: None, keyring: None, clock, providers: Vec::new() }
    }

    /// The policy; without it, the defaults of [`SessionPolicy::builder`].
    pub fn policy(mut self, policy: SessionPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The keys that seal and open tokens. There is no default (K3).
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// The clock; without it, the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The provider of this name, or of all names that a pattern such as `mcp:*` fits; the
    /// narrowest wins. Sessions of a provider that is not here are served, but not renewed.
    pub fn provider(self, pattern: impl Into<String>, provider: impl Provider) -> Self {
        self.shared_provider(pattern, Arc::new(provider))
    }

    /// A provider that others use as well; see [`provider`](Self::provider).
    pub fn shared_provider(
        mut self,
        pattern: impl Into<String>,
        provider: Arc<dyn Provider>,
    ) -> Self {
        self.providers.push((pattern.into(), provider));
        self
    }

    /// The manager, after its keys have opened one stored session for each key id.
    ///
    /// Must be called in a tokio runtime, on which the manager's tasks run.
    ///
    /// # Errors
    ///
    /// [`StartError`] if there is no keyring, a pattern cannot be one, the store is away, or a key
    /// does not open what bears its id. Nothing is deleted then. A key id that nobody has is only
    /// reported: those sessions wait for their key.
    pub async fn start(mut self) -> Result<SessionManager, StartError> {
        let keyring = self.keyring.ok_or(StartError::NoKeyring)?;
        if let Some((pattern, _)) = self.providers.iter().find(|(pattern, _)| !is_pattern(pattern))
        {
            return Err(StartError::BadPattern { pattern: pattern.clone() });
        }
        by_narrowness(&mut self.providers);
        let policy = match self.policy {
            Some(policy) => policy,
            None => SessionPolicy::builder().build()?,
        };
        let inner = Arc::new(Inner {
            store: self.store,
            policy,
            keyring,
            clock: self.clock,
            providers: self.providers,
            flights: Flights::default(),
            gates: Gates::default(),
            holds: Holds::default(),
            presences: Presences::default(),
            observers: Observers::default(),
            tasks: Tasks::new(),
        });
        reseal::check_keys(&inner).await?;
        watch::spawn(&inner);
        Ok(SessionManager { inner })
    }
}

/// Sorts providers so that the first whose pattern fits is the narrowest.
fn by_narrowness(providers: &mut [(String, Arc<dyn Provider>)]) {
    providers.sort_by_key(|(pattern, _)| std::cmp::Reverse(narrowness(pattern)));
}

impl fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerBuilder").field("store", &self.store).finish_non_exhaustive()
    }
}

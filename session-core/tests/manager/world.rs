//! A manager over a store in memory, with a clock, a provider and faults that the test controls.

use std::sync::Arc;
use std::time::Duration;

use session_core::manager::{LiveSession, Resolution, SignIn, SignedIn, TokenError};
use session_core::policy::PolicyBuilder;
use session_core::store::memory::MemoryStore;
use session_core::store::{SessionLookup as _, StoredSession};
use session_core::testing::sample::{provider as named, user};
use session_core::testing::{FakeClock, FaultyStore, ScriptedProvider};
use session_core::{Keyring, SessionId, SessionManager, SessionPolicy};
use tokio::task::JoinHandle;

pub const SECOND: Duration = Duration::from_secs(1);
pub const MINUTE: Duration = Duration::from_secs(60);
/// After this time an access token of the scripted provider has expired.
pub const EXPIRED: Duration = Duration::from_secs(301);

/// One node: a manager, and its store, clock and provider.
#[derive(Clone)]
pub struct World {
    pub store: FaultyStore,
    pub clock: FakeClock,
    pub provider: ScriptedProvider,
    pub manager: SessionManager,
    sessions: MemoryStore,
    policy: SessionPolicy,
    keys: String,
}

/// Returns the default policy without jitter, so that renewal times are exact.
pub fn policy() -> PolicyBuilder {
    SessionPolicy::builder().renewal_jitter(Duration::ZERO)
}

impl World {
    pub async fn of(provider: ScriptedProvider) -> Self {
        Self::with(policy(), provider).await
    }

    pub async fn with(policy: PolicyBuilder, provider: ScriptedProvider) -> Self {
        let keys = Keyring::generate_entry("one").unwrap().to_string();
        let policy = policy.build().unwrap();
        Self::start(MemoryStore::new(), FakeClock::new(), provider, policy, keys).await
    }

    /// Starts another node on the same sessions, with faults of its own.
    pub async fn another(&self) -> Self {
        self.another_at(self.clock.clone()).await
    }

    /// Starts another node with this clock.
    pub async fn another_at(&self, clock: FakeClock) -> Self {
        let (sessions, provider) = (self.sessions.clone(), self.provider.clone());
        Self::start(sessions, clock, provider, self.policy.clone(), self.keys.clone()).await
    }

    async fn start(
        sessions: MemoryStore,
        clock: FakeClock,
        provider: ScriptedProvider,
        policy: SessionPolicy,
        keys: String,
    ) -> Self {
        let store = FaultyStore::new(sessions.clone());
        let manager = SessionManager::builder(store.clone())
            .clock(clock.clone())
            .keyring(Keyring::parse(&keys).unwrap())
            .policy(policy.clone())
            .provider("*", provider.clone())
            .start()
            .await
            .unwrap();
        Self { store, clock, provider, manager, sessions, policy, keys }
    }

    pub fn login(&self, name: &str) -> SignIn {
        SignIn::new(&user(name), &named("okta"), self.provider.sign_in())
    }

    pub async fn sign_in(&self, name: &str) -> SignedIn {
        self.manager.sign_in(self.login(name)).await.unwrap()
    }

    /// Reads a row without faults.
    pub async fn row_of(&self, id: SessionId) -> StoredSession {
        self.sessions.find(id).await.unwrap().unwrap()
    }

    pub async fn row(&self, device: &SignedIn) -> StoredSession {
        self.row_of(device.session.id).await
    }

    pub async fn live(&self, device: &SignedIn) -> Arc<LiveSession> {
        let resolution = self.manager.resolve(&device.secret.digest(), None).await.unwrap();
        let Resolution::Live(live) = resolution else { panic!("not live: {resolution:?}") };
        live
    }

    pub async fn token(&self, device: &SignedIn) -> Result<String, TokenError> {
        let (user, id) = (&device.session.user, device.session.id);
        Ok(self.manager.access_token(user, id).await?.access_token().to_owned())
    }

    /// Asks for a token in a task of its own.
    pub fn token_later(&self, device: &SignedIn) -> JoinHandle<Result<String, TokenError>> {
        let (manager, session) = (self.manager.clone(), device.session.clone());
        tokio::spawn(async move {
            let tokens = manager.access_token(&session.user, session.id).await?;
            Ok(tokens.access_token().to_owned())
        })
    }

    /// Advances the clock in steps, and lets all tasks run after each.
    pub async fn pass(&self, span: Duration, step: Duration) {
        let mut passed = Duration::ZERO;
        while passed < span {
            settle().await;
            self.clock.advance(step);
            passed += step;
        }
        settle().await;
    }
}

/// Lets the manager's tasks run until they wait for something.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

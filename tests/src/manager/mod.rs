//! A manager that a test sees through: its clock, its provider and its store are the test's.
//!
//! ```
//! use session_tests::manager::World;
//! use std::time::Duration;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let world = World::new().await;
//! let laptop = world.sign_in().await;
//! world.clock.advance(Duration::from_secs(300)); // its access token has expired
//! assert_eq!(world.token(&laptop).await.unwrap(), "at-2");
//! assert_eq!(world.provider.renewals(), 1);
//! # });
//! ```

mod look;
mod pace;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use session_core::manager::{LiveSession, Resolution, SignIn, SignedIn, TokenError};
use session_core::middleware::SessionManagerExt as _;
use session_core::policy::PolicyBuilder;
use session_core::store::memory::MemoryStore;
use session_core::testing::{FakeClock, FaultyStore, ScriptedProvider, sample};
use session_core::{Keyring, SessionManager, SessionPolicy, SessionStore};

pub use look::{kinds, rows_of};
pub use pace::{Step, settle, until, until_real};

/// How long the scripted provider's access tokens live.
pub const LIFETIME: Duration = Duration::from_secs(300);
/// When they are due, counted from their receipt: the leeway is 60 s, and there is no jitter.
pub const DUE: Duration = Duration::from_secs(240);
/// The lease's term.
pub const TERM: Duration = Duration::from_secs(30);
/// The provider that everybody here signs in with, unless they say otherwise.
pub const OKTA: &str = "okta";

/// A manager with the clock, the provider and the store that it was made with.
#[derive(Debug, Clone)]
pub struct World {
    /// Moves when it is told to.
    pub clock: FakeClock,
    /// Registered for all names.
    pub provider: ScriptedProvider,
    /// This manager's way to the sessions; another manager has another.
    pub store: FaultyStore,
    /// What is tested.
    pub manager: SessionManager,
    sessions: Arc<dyn SessionStore>,
    policy: SessionPolicy,
}

/// The defaults, without jitter: every test says when something is due.
pub fn policy() -> PolicyBuilder {
    SessionPolicy::builder().renewal_jitter(Duration::ZERO).lease_term(TERM)
}

impl World {
    /// One with the default policy, and a provider that detects reuse.
    pub async fn new() -> Self {
        Self::with(policy()).await
    }

    /// One with another policy.
    pub async fn with(policy: PolicyBuilder) -> Self {
        Self::of(policy, ScriptedProvider::new().with_reuse_detection()).await
    }

    /// One with another policy and provider.
    pub async fn of(policy: PolicyBuilder, provider: ScriptedProvider) -> Self {
        Self::on(Arc::new(MemoryStore::new()), policy, provider).await
    }

    /// One on these sessions.
    pub async fn on(
        sessions: Arc<dyn SessionStore>,
        policy: PolicyBuilder,
        provider: ScriptedProvider,
    ) -> Self {
        let policy = policy.build().expect("a policy");
        let clock = FakeClock::new();
        Self::started(sessions, policy, provider, clock).await
    }

    /// Another node: a manager of its own on the same sessions, with a way to them of its own.
    pub async fn another(&self) -> Self {
        self.another_at(self.clock.clone()).await
    }

    /// Another node with a clock of its own.
    pub async fn another_at(&self, clock: FakeClock) -> Self {
        self.another_on(Arc::clone(&self.sessions), clock).await
    }

    /// Another node with a way to the same sessions that is given.
    pub async fn another_on(&self, sessions: Arc<dyn SessionStore>, clock: FakeClock) -> Self {
        Self::started(sessions, self.policy.clone(), self.provider.clone(), clock).await
    }

    async fn started(
        sessions: Arc<dyn SessionStore>,
        policy: SessionPolicy,
        provider: ScriptedProvider,
        clock: FakeClock,
    ) -> Self {
        let store = FaultyStore::over(Arc::clone(&sessions));
        let manager = SessionManager::builder(Arc::new(store.clone()))
            .policy(policy.clone())
            .keyring(keyring())
            .clock(clock.clone())
            .provider("*", provider.clone())
            .start()
            .await
            .expect("a manager");
        Self { clock, provider, store, manager, sessions, policy }
    }

    /// The sessions behind all faults.
    #[must_use]
    pub fn sessions(&self) -> &Arc<dyn SessionStore> {
        &self.sessions
    }

    /// Ann signs in with okta.
    pub async fn sign_in(&self) -> SignedIn {
        self.sign_in_as("ann").await
    }

    /// Somebody signs in with okta.
    pub async fn sign_in_as(&self, user: &str) -> SignedIn {
        let sign_in = self.login(user);
        self.manager.sign_in(sign_in).await.expect("a sign-in")
    }

    /// A sign-in with tokens that the provider knows.
    pub fn login(&self, user: &str) -> SignIn {
        SignIn::new(&sample::user(user), &sample::provider(OKTA), self.provider.sign_in())
    }

    /// What the cookie of a sign-in leads to.
    pub async fn resolve(&self, signed_in: &SignedIn) -> Resolution {
        self.manager.resolve(&signed_in.secret.digest(), None).await.expect("an answer")
    }

    /// The live session that the cookie of a sign-in leads to.
    pub async fn live(&self, signed_in: &SignedIn) -> Arc<LiveSession> {
        match self.resolve(signed_in).await {
            Resolution::Live(live) => live,
            other => panic!("not live: {other:?}"),
        }
    }

    /// The access token that a request with the cookie of a sign-in goes on with.
    ///
    /// # Errors
    ///
    /// As the manager gives them.
    pub async fn token(&self, signed_in: &SignedIn) -> Result<String, TokenError> {
        let live = self.live(signed_in).await;
        let live = self.manager.with_valid_token(&live).await?;
        Ok(live.tokens().access_token().to_owned())
    }

    /// [`token`](Self::token), in a task of its own.
    #[must_use]
    pub fn token_later(
        &self,
        signed_in: &SignedIn,
    ) -> tokio::task::JoinHandle<Result<String, TokenError>> {
        let world = self.clone();
        let digest = signed_in.secret.digest();
        tokio::spawn(async move {
            let resolution = world.manager.resolve(&digest, None).await.expect("an answer");
            let Resolution::Live(live) = resolution else { panic!("not live: {resolution:?}") };
            let live = world.manager.with_valid_token(&live).await?;
            Ok(live.tokens().access_token().to_owned())
        })
    }
}

/// The keyring of all nodes: one random key, the same in the whole process.
#[must_use]
pub fn keyring() -> Keyring {
    static ENTRY: OnceLock<String> = OnceLock::new();
    let entry = || Keyring::generate_entry("node").expect("a key").to_string();
    Keyring::parse(ENTRY.get_or_init(entry)).expect("a keyring")
}

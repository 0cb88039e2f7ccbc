//! A manager with a clock, a provider and a store that the test controls.
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

use session_core::broadcast::ChangeBroadcast;
use session_core::manager::{LiveSession, Resolution, SignIn, SignedIn, TokenError};
use session_core::middleware::SessionManagerExt as _;
use session_core::policy::PolicyBuilder;
use session_core::store::memory::MemoryStore;
use session_core::testing::{FakeClock, FaultyStore, ScriptedProvider, sample};
use session_core::{Keyring, SessionManager, SessionPolicy, SessionStore};

pub use look::{kinds, rows_of};
pub use pace::{Step, settle, until, until_real};

/// The lifetime of the scripted provider's access tokens.
pub const LIFETIME: Duration = Duration::from_secs(300);
/// When they are due for renewal, counted from their receipt: the leeway is 60 s, without jitter.
pub const DUE: Duration = Duration::from_secs(240);
/// The term of a lease.
pub const TERM: Duration = Duration::from_secs(40);
/// The name of the provider of all sign-ins, unless a test chooses another.
pub const OKTA: &str = "okta";

/// A manager, and its clock, provider and store.
#[derive(Debug, Clone)]
pub struct World {
    /// The clock; only the test advances it.
    pub clock: FakeClock,
    /// The provider, registered for all names.
    pub provider: ScriptedProvider,
    /// The store of this manager, which can inject faults; another manager has another one.
    pub store: FaultyStore,
    /// The manager under test.
    pub manager: SessionManager,
    sessions: Arc<dyn SessionStore>,
    policy: SessionPolicy,
}

/// Returns the default policy without jitter, so that renewal times are exact.
pub fn policy() -> PolicyBuilder {
    SessionPolicy::builder().renewal_jitter(Duration::ZERO).lease_term(TERM)
}

impl World {
    /// Creates a world with the default policy and a provider that detects reuse.
    pub async fn new() -> Self {
        Self::with(policy()).await
    }

    /// Creates a world with another policy.
    pub async fn with(policy: PolicyBuilder) -> Self {
        Self::of(policy, ScriptedProvider::new().with_reuse_detection()).await
    }

    /// Creates a world with another policy and provider.
    pub async fn of(policy: PolicyBuilder, provider: ScriptedProvider) -> Self {
        Self::on(Arc::new(MemoryStore::new()), policy, provider).await
    }

    /// Creates a world on these sessions.
    pub async fn on(
        sessions: Arc<dyn SessionStore>,
        policy: PolicyBuilder,
        provider: ScriptedProvider,
    ) -> Self {
        let policy = policy.build().expect("a policy");
        let clock = FakeClock::new();
        Self::started(sessions, policy, provider, clock, None).await
    }

    /// Starts another node: another manager and store on the same sessions.
    pub async fn another(&self) -> Self {
        self.another_at(self.clock.clone()).await
    }

    /// Starts another node with its own clock.
    pub async fn another_at(&self, clock: FakeClock) -> Self {
        self.another_on(Arc::clone(&self.sessions), clock).await
    }

    /// Starts another node with a given store on the same sessions.
    pub async fn another_on(&self, sessions: Arc<dyn SessionStore>, clock: FakeClock) -> Self {
        Self::started(sessions, self.policy.clone(), self.provider.clone(), clock, None).await
    }

    /// Starts another node on the same sessions that uses this broadcast.
    pub async fn another_with(&self, broadcast: impl ChangeBroadcast) -> Self {
        let (policy, clock) = (self.policy.clone(), self.clock.clone());
        let (sessions, provider) = (Arc::clone(&self.sessions), self.provider.clone());
        Self::started(sessions, policy, provider, clock, Some(Arc::new(broadcast))).await
    }

    async fn started(
        sessions: Arc<dyn SessionStore>,
        policy: SessionPolicy,
        provider: ScriptedProvider,
        clock: FakeClock,
        broadcast: Option<Arc<dyn ChangeBroadcast>>,
    ) -> Self {
        let store = FaultyStore::over(Arc::clone(&sessions));
        let mut builder = SessionManager::builder(Arc::new(store.clone()))
            .policy(policy.clone())
            .keyring(keyring())
            .clock(clock.clone())
            .provider("*", provider.clone());
        if let Some(broadcast) = broadcast {
            builder = builder.broadcast(broadcast);
        }
        let manager = builder.start().await.expect("a manager");
        Self { clock, provider, store, manager, sessions, policy }
    }

    /// Creates a world in which Ann is signed in and the access token is due for renewal.
    pub async fn due() -> (Self, SignedIn) {
        Self::later(DUE).await
    }

    /// Creates a world in which Ann is signed in and the access token has expired.
    pub async fn expired() -> (Self, SignedIn) {
        Self::later(LIFETIME).await
    }

    async fn later(time: Duration) -> (Self, SignedIn) {
        let world = Self::new().await;
        let signed_in = world.sign_in().await;
        world.clock.advance(time);
        (world, signed_in)
    }

    /// Returns the sessions without injected faults.
    #[must_use]
    pub fn sessions(&self) -> &Arc<dyn SessionStore> {
        &self.sessions
    }

    /// Signs in Ann with okta.
    pub async fn sign_in(&self) -> SignedIn {
        self.sign_in_as("ann").await
    }

    /// Signs in a user with okta.
    pub async fn sign_in_as(&self, user: &str) -> SignedIn {
        let sign_in = self.login(user);
        self.manager.sign_in(sign_in).await.expect("a sign-in")
    }

    /// Returns a sign-in with tokens that the provider has issued.
    pub fn login(&self, user: &str) -> SignIn {
        SignIn::new(&sample::user(user), &sample::provider(OKTA), self.provider.sign_in())
    }

    /// Resolves the cookie of a sign-in.
    pub async fn resolve(&self, signed_in: &SignedIn) -> Resolution {
        self.manager.resolve(&signed_in.secret.digest(), None).await.expect("an answer")
    }

    /// Resolves the cookie of a sign-in, which must be live.
    pub async fn live(&self, signed_in: &SignedIn) -> Arc<LiveSession> {
        match self.resolve(signed_in).await {
            Resolution::Live(live) => live,
            other => panic!("not live: {other:?}"),
        }
    }

    /// Returns the access token for a request with the cookie of a sign-in.
    ///
    /// # Errors
    ///
    /// Returns the error of the manager.
    pub async fn token(&self, signed_in: &SignedIn) -> Result<String, TokenError> {
        let live = self.live(signed_in).await;
        let live = self.manager.with_valid_token(&live).await?;
        Ok(live.tokens().access_token().to_owned())
    }

    /// Runs [`token`](Self::token) in a separate task.
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

/// Returns the keyring of all nodes: one random key per process.
#[must_use]
pub fn keyring() -> Keyring {
    static ENTRY: OnceLock<String> = OnceLock::new();
    let entry = || Keyring::generate_entry("node").expect("a key").to_string();
    Keyring::parse(ENTRY.get_or_init(entry)).expect("a keyring")
}

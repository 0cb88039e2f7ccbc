//! Tools for an application's own tests (feature `test-util`): signed-in users without a provider.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use std::time::Duration;
//!
//! use axum::body::Body;
//! use axum::http::{Request, StatusCode};
//! use axum::{Router, routing::get};
//! use session_tower::testing::TestSite;
//! use session_tower::{CurrentSession, SessionLayer};
//! use tower::ServiceExt as _;
//!
//! let site = TestSite::new().await;
//! let app = Router::new()
//!     .route("/", get(async |session: CurrentSession| session.user().to_string()))
//!     .layer(SessionLayer::new(site.sessions.clone()));
//! let request = Request::get("/").header("cookie", site.cookie("ann").await);
//! let request = request.body(Body::empty()).unwrap();
//! assert_eq!(app.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
//!
//! // A year later the session is over.
//! let cookie = site.cookie("ann").await;
//! site.clock.advance(Duration::from_secs(365 * 24 * 60 * 60));
//! let request = Request::get("/").header("cookie", cookie).body(Body::empty()).unwrap();
//! assert_eq!(app.oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
//! # }
//! ```

#![expect(clippy::expect_used, reason = "a site that does not start is an error of the test")]

use http::HeaderValue;
use session_core::manager::{Resolution, SignIn, SignedIn};
use session_core::store::memory::MemoryStore;
use session_core::testing::{FakeClock, ScriptedProvider, sample};
use session_core::{EndReason, Keyring, SessionId, SessionManager};

use crate::cookie::SessionCookie;
use crate::current::{CurrentSession, EndedSession};

/// A manager for tests: sessions in memory, a clock to set, and a provider that follows a script,
/// under every name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TestSite {
    /// The manager, for the application under test.
    pub sessions: SessionManager,
    /// Its clock, which moves only when the test advances it.
    pub clock: FakeClock,
    /// The provider, which issues the access tokens `at-1`, `at-2` and so on.
    pub provider: ScriptedProvider,
}

impl TestSite {
    /// Starts a site without sessions, under the default policy.
    ///
    /// # Panics
    ///
    /// Panics if the manager does not start.
    pub async fn new() -> Self {
        let (clock, provider) = (FakeClock::new(), ScriptedProvider::new());
        let entry = Keyring::generate_entry("test").expect("a key");
        let sessions = SessionManager::builder(MemoryStore::new())
            .keyring(Keyring::parse(&entry).expect("a keyring"))
            .clock(clock.clone())
            .provider("*", provider.clone())
            .start();
        Self { sessions: sessions.await.expect("a manager"), clock, provider }
    }

    /// Signs a user in at the provider `okta`, in a browser of its own.
    ///
    /// # Panics
    ///
    /// Panics if the policy refuses the sign-in, or the user id is not valid.
    pub async fn sign_in(&self, user: &str) -> SignedIn {
        let (user, okta) = (sample::user(user), sample::provider("okta"));
        let sign_in = SignIn::new(&user, &okta, self.provider.sign_in());
        self.sessions.sign_in(sign_in).await.expect("the user is signed in")
    }

    /// Signs a user in, and returns the `Cookie` header of that browser for the default cookie.
    ///
    /// # Panics
    ///
    /// Panics like [`sign_in`](Self::sign_in).
    pub async fn cookie(&self, user: &str) -> HeaderValue {
        let signed_in = self.sign_in(user).await;
        let cookie = SessionCookie::default();
        let pair = format!("{}={}", cookie.name(), signed_in.secret.expose());
        HeaderValue::try_from(pair).expect("a header")
    }

    /// Signs a user in, and returns what a handler gets for that browser's requests.
    ///
    /// # Panics
    ///
    /// Panics like [`sign_in`](Self::sign_in).
    pub async fn current_session(&self, user: &str) -> CurrentSession {
        let digest = self.sign_in(user).await.secret.digest();
        match self.sessions.resolve(&digest, None).await.expect("the store answers") {
            Resolution::Live(live) => CurrentSession::new(live, digest, None),
            other => unreachable!("a new session is live, not {other:?}"),
        }
    }

    /// Returns what a handler gets for a browser whose session has ended a moment ago.
    #[must_use]
    pub fn ended_session(&self, reason: EndReason) -> EndedSession {
        let at = self.sessions.now();
        EndedSession { id: SessionId::generate(at), reason, at }
    }

    /// Returns the ready-made sign-in of `https://app.example` at the provider `okta`, which no call
    /// reaches: for an application that serves its routes.
    ///
    /// # Panics
    ///
    /// Panics if the sign-in cannot be built.
    #[cfg(feature = "sign-in")]
    #[must_use]
    pub fn open_id_sign_in(&self) -> crate::sign_in::OpenIdSignIn {
        use session_core::provider::openid::OpenIdProvider;
        let unreachable = |_: http::Request<Vec<u8>>| {
            std::future::ready(Err::<http::Response<Vec<u8>>, _>(std::io::Error::other(
                "no provider is called in tests",
            )))
        };
        let client = OpenIdProvider::builder(sample::ISSUER, "test", unreachable).build();
        crate::sign_in::OpenIdSignIn::builder(self.sessions.clone(), "https://app.example")
            .provider(sample::provider("okta"), std::sync::Arc::new(client.expect("a provider")))
            .build()
            .expect("a sign-in")
    }
}

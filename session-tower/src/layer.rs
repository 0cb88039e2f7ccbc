//! The layer: settings, and one cache for all services that it makes.

use std::fmt;
use std::sync::Arc;

use http::Extensions;
use session_core::middleware::SessionManagerExt as _;
use session_core::{SessionManager, UserId};
use tower::Layer;

use crate::cache::SessionCache;
use crate::cookie::SessionCookie;
use crate::failure::ProblemDetails;
use crate::resolve::Resolver;
use crate::service::SessionService;

/// How many sessions the cache holds unless told otherwise.
const DEFAULT_CAPACITY: u64 = 20_000;

/// Resolves the session cookie of each request; see the [crate's story](crate).
///
/// Cheap to clone. All services that it and its clones make share one cache: clone it, and make
/// one of them [required](Self::require_session), rather than making two.
pub struct SessionLayer<F = ProblemDetails> {
    resolver: Arc<Resolver>,
    failure: Arc<F>,
}

impl SessionLayer {
    /// A layer on this manager: a session is optional, the cookie is `__Host-session`, and failures
    /// are [problem documents](ProblemDetails).
    #[must_use]
    pub fn new(manager: SessionManager) -> Self {
        let cache = cache_of(DEFAULT_CAPACITY, &manager);
        let resolver = Resolver {
            manager,
            cookie: SessionCookie::default(),
            cache,
            known_user: None,
            is_required: false,
        };
        Self { resolver: Arc::new(resolver), failure: Arc::new(ProblemDetails) }
    }
}

impl<F> SessionLayer<F> {
    /// With another cookie.
    #[must_use]
    pub fn with_cookie(self, cookie: SessionCookie) -> Self {
        self.with(|resolver| resolver.cookie = cookie)
    }

    /// With a cache for so many sessions (20,000). One takes what its tokens take, and little more.
    #[must_use]
    pub fn with_cache_capacity(self, sessions: u64) -> Self {
        self.with(|resolver| resolver.cache = cache_of(sessions, &resolver.manager))
    }

    /// Bound to the user whom the application already knows from the request's extensions: another
    /// user's session is answered like none (store law 6, S4).
    #[must_use]
    pub fn with_user(
        self,
        known_user: impl Fn(&Extensions) -> Option<UserId> + Send + Sync + 'static,
    ) -> Self {
        self.with(|resolver| resolver.known_user = Some(Arc::new(known_user)))
    }

    /// Lets no request through without a live session: 401 otherwise.
    #[must_use]
    pub fn require_session(self) -> Self {
        self.with(|resolver| resolver.is_required = true)
    }

    /// With other answers to requests that get no session: a closure, [`RedirectToLogin`], or a
    /// [`RejectionResponse`] of your own.
    ///
    /// [`RejectionResponse`]: crate::RejectionResponse
    /// [`RedirectToLogin`]: crate::RedirectToLogin
    #[must_use]
    pub fn with_rejection_response<G>(self, failure: G) -> SessionLayer<G> {
        SessionLayer { resolver: self.resolver, failure: Arc::new(failure) }
    }

    fn with(mut self, change: impl FnOnce(&mut Resolver)) -> Self {
        change(Arc::make_mut(&mut self.resolver));
        self
    }
}

/// A cache that the manager keeps informed as long as somebody holds it.
fn cache_of(capacity: u64, manager: &SessionManager) -> Arc<SessionCache> {
    let cache = Arc::new(SessionCache::new(capacity, manager.policy().max_staleness()));
    manager.register_cache(&cache);
    cache
}

impl<S, F> Layer<S> for SessionLayer<F> {
    type Service = SessionService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, Arc::clone(&self.resolver), Arc::clone(&self.failure))
    }
}

impl<F> Clone for SessionLayer<F> {
    fn clone(&self) -> Self {
        Self { resolver: Arc::clone(&self.resolver), failure: Arc::clone(&self.failure) }
    }
}

impl<F> fmt::Debug for SessionLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

//! The layer: its settings, and the cache that its services share.

use std::fmt;
use std::sync::Arc;

use session_core::SessionManager;
use session_core::middleware::SessionManagerExt as _;
use tower_layer::Layer;

use crate::cache::SessionCache;
use crate::cookie::SessionCookie;
use crate::known_user::{Binding, KnownUser};
use crate::rejection::{ProblemDetails, RejectionResponse};
use crate::resolve::Resolver;
use crate::service::SessionService;

/// The default size of the cache, in bytes: some 20,000 sessions.
const DEFAULT_CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// A layer that resolves the session cookie of each request; see the [crate's documentation](crate).
///
/// Stands at any place in a stack: it demands nothing of the inner body, and wraps it in a
/// [`ResponseBody`](crate::ResponseBody). A layer that is used only sometimes (tower's
/// `option_layer`) must not change the body's type: compose it with tower-http's
/// `MapResponseBodyLayer`, as in `(MapResponseBodyLayer::new(axum::body::Body::new), layer)`.
///
/// Cheap to clone. A layer, its clones and their services share one cache. To require a session on
/// some routes only, clone the layer and call [`require_session`](Self::require_session) on the
/// clone; a second layer would have a second cache.
///
/// ```
/// use session_core::store::memory::MemoryStore;
/// use session_core::{Keyring, SessionManager};
/// use session_tower::SessionLayer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let manager = SessionManager::builder(MemoryStore::new())
///     .keyring(Keyring::parse(&Keyring::generate_entry("2026")?)?)
///     .start()
///     .await?;
/// let pages = SessionLayer::new(manager).with_max_cache_bytes(16 * 1024 * 1024);
/// let api = pages.clone().require_session();
/// # let _ = api;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SessionLayer {
    resolver: Arc<Resolver>,
}

impl SessionLayer {
    /// Creates a layer on this manager. A session is optional, the cookie is `__Host-session`, and
    /// rejections are answered with [problem documents](ProblemDetails).
    #[must_use]
    pub fn new(manager: SessionManager) -> Self {
        let cache = registered_cache(DEFAULT_CACHE_BYTES, &manager);
        let resolver = Resolver {
            manager,
            cookie: SessionCookie::default(),
            cache,
            binding: Binding::default(),
            is_session_required: false,
            is_fresh_token_required: false,
            rejection_response: Arc::new(ProblemDetails),
            recent_sign_ins: Arc::default(),
            outage_log: Arc::default(),
        };
        Self { resolver: Arc::new(resolver) }
    }

    /// Sets the cookie (default: [`SessionCookie::default`]).
    #[must_use]
    pub fn with_cookie(self, cookie: SessionCookie) -> Self {
        self.with(|resolver| resolver.cookie = cookie)
    }

    /// Sets how many bytes of memory the cached sessions may take together (default: 64 MiB), and
    /// starts with an empty cache.
    ///
    /// A session takes about a kibibyte more than its tokens.
    #[must_use]
    pub fn with_max_cache_bytes(self, bytes: u64) -> Self {
        self.with(|resolver| resolver.cache = registered_cache(bytes, &resolver.manager))
    }

    /// Binds sessions to the user whom the application already knows. A request for which it knows
    /// none has no session, whatever its cookie says.
    ///
    /// What the application names the user by must be in the request before it gets here: its own
    /// layer stands outside of this one.
    ///
    /// # Security
    ///
    /// The cookie of another user's session is answered like an unknown one, so that the answer
    /// does not tell whether there is such a session (store law 6, S4).
    #[must_use]
    pub fn with_user(self, known_user: impl KnownUser) -> Self {
        self.with_binding(Binding::to(known_user))
    }

    pub(crate) fn with_binding(self, binding: Binding) -> Self {
        self.with(|resolver| resolver.binding = binding)
    }

    /// Rejects requests without a live session: 401, with the reason if the session has ended.
    ///
    /// A CORS preflight passes, because browsers send it without cookies. Responses get a
    /// `Vary: cookie`.
    #[must_use]
    pub fn require_session(self) -> Self {
        self.with(|resolver| resolver.is_session_required = true)
    }

    /// Waits in front of the inner service until the session has a fresh access token, at most for
    /// the policy's `max_renewal_wait`, and rejects a request whose session gets none: 503, or 401
    /// `sign_in_needed`. Says nothing about requests without a session.
    ///
    /// Meant for routes that all call other services. Without it no request waits for a token, and
    /// a handler that needs one asks [`CurrentSession::fresh_tokens`].
    ///
    /// [`CurrentSession::fresh_tokens`]: crate::CurrentSession::fresh_tokens
    #[must_use]
    pub fn require_fresh_token(self) -> Self {
        self.with(|resolver| resolver.is_fresh_token_required = true)
    }

    /// Sets how rejected requests are answered: with a closure, [`RedirectToLogin`], or another
    /// [`RejectionResponse`].
    ///
    /// [`RedirectToLogin`]: crate::RedirectToLogin
    #[must_use]
    pub fn with_rejection_response(self, rejection_response: impl RejectionResponse) -> Self {
        self.with(|resolver| resolver.rejection_response = Arc::new(rejection_response))
    }

    fn with(mut self, change: impl FnOnce(&mut Resolver)) -> Self {
        change(Arc::make_mut(&mut self.resolver));
        self
    }
}

/// Creates a cache that the manager tells of ends and changes for as long as the cache is in use.
fn registered_cache(max_bytes: u64, manager: &SessionManager) -> Arc<SessionCache> {
    let max_staleness = manager.policy().max_staleness();
    let cache = Arc::new(SessionCache::new(max_bytes, max_staleness, manager.cache_metrics()));
    manager.register_cache(&cache);
    cache
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService::new(inner, Arc::clone(&self.resolver))
    }
}

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

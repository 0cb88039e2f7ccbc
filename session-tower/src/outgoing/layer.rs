//! What may be called, and on whose behalf.

use std::sync::Arc;

use http::Uri;
use session_core::manager::TokenError;
use session_core::{Session, SessionId, SessionManager, TokenSet, UserId};
use tower_layer::Layer;

use super::origin::{AllowedOrigins, InvalidOrigin};
use super::repeat::{Cloned, Never};
use super::service::OutgoingService;
use crate::cookie::SessionCookie;
use crate::current::CurrentSession;

/// Attaches a session's access token to the requests of an HTTP client; see
/// [the module](crate::outgoing).
#[derive(Debug, Clone)]
pub struct OutgoingLayer<R = Never> {
    settings: Arc<Settings>,
    repeat: R,
}

/// The settings, shared by the services.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) manager: SessionManager,
    pub(super) origins: AllowedOrigins,
    pub(super) cookie: SessionCookie,
    pub(super) passes_others: bool,
}

impl OutgoingLayer {
    /// Creates a layer that gives tokens of this manager to no origin, and repeats no request.
    #[must_use]
    pub fn new(manager: SessionManager) -> Self {
        let (origins, cookie) = (AllowedOrigins::default(), SessionCookie::default());
        let settings = Settings { manager, origins, cookie, passes_others: false };
        Self { settings: Arc::new(settings), repeat: Never }
    }
}

impl<R> OutgoingLayer<R> {
    /// Allows tokens to go to an origin, such as `https://api.example` or `http://127.0.0.1:8080`.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidOrigin`] if it is more than a scheme, a host and a port, or if the scheme is
    /// not `https` and the host is another machine (RFC 6750, section 5.3).
    pub fn allow(mut self, origin: &str) -> Result<Self, InvalidOrigin> {
        Arc::make_mut(&mut self.settings).origins.add(origin)?;
        Ok(self)
    }

    /// Sets the session cookie, if it is not the default one. No request is sent with it.
    #[must_use]
    pub fn cookie(mut self, cookie: SessionCookie) -> Self {
        Arc::make_mut(&mut self.settings).cookie = cookie;
        self
    }

    /// Passes requests for other origins on without a token, instead of rejecting them: for a layer
    /// outside of this one that follows redirects, for instance to a download.
    #[must_use]
    pub fn pass_others(mut self) -> Self {
        Arc::make_mut(&mut self.settings).passes_others = true;
        self
    }

    /// Repeats a request once whose token was rejected; its body must be cheap to clone, such as
    /// `Full<Bytes>`.
    #[must_use]
    pub fn repeat_cloned(self) -> OutgoingLayer<Cloned> {
        self.repeat_with(Cloned)
    }

    /// Repeats a request once whose token was rejected, if `repeat` has made a copy of its body.
    #[must_use]
    pub fn repeat_with<T>(self, repeat: T) -> OutgoingLayer<T> {
        OutgoingLayer { settings: self.settings, repeat }
    }
}

impl<S, R: Clone> Layer<S> for OutgoingLayer<R> {
    type Service = OutgoingService<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        OutgoingService::new(inner, Arc::clone(&self.settings), self.repeat.clone())
    }
}

/// Names a session on whose behalf a request is made, in the request's extensions: for a tool
/// client's connection or a job. A handler puts its [`CurrentSession`] there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBehalfOf {
    user: UserId,
    id: SessionId,
}

impl OnBehalfOf {
    /// Names this session, for instance one that
    /// [`find_connection`](SessionManager::find_connection) or
    /// [`find_migrated`](SessionManager::find_migrated) has returned.
    #[must_use]
    pub fn session(session: &Session) -> Self {
        Self::id(&session.user, session.id)
    }

    /// Names a session of this user by its id.
    #[must_use]
    pub fn id(user: &UserId, id: SessionId) -> Self {
        Self { user: user.clone(), id }
    }
}

/// On whose behalf one request is made.
pub(super) enum Caller {
    Current(CurrentSession),
    Named(OnBehalfOf),
}

impl Caller {
    /// Takes the caller out of a request's extensions.
    pub(super) fn take(extensions: &mut http::Extensions) -> Option<Self> {
        let (current, named) = (extensions.remove::<CurrentSession>(), extensions.remove());
        named.map(Self::Named).or_else(|| current.map(Self::Current))
    }

    pub(super) async fn tokens(
        &self,
        manager: &SessionManager,
    ) -> Result<Arc<TokenSet>, TokenError> {
        match self {
            Self::Current(current) => current.valid_tokens(manager).await,
            Self::Named(named) => manager.access_token(&named.user, named.id).await,
        }
    }

    pub(super) async fn tokens_after_rejection(
        &self,
        manager: &SessionManager,
        rejected: &TokenSet,
    ) -> Result<Arc<TokenSet>, TokenError> {
        let (user, id) = match self {
            Self::Current(current) => (current.user(), current.id()),
            Self::Named(named) => (&named.user, named.id),
        };
        manager.access_token_after_rejection(user, id, rejected.access_token()).await
    }
}

impl Settings {
    /// Returns the scheme, host and port of an address, for an error.
    pub(super) fn origin_of(uri: &Uri) -> String {
        let host = uri.host().unwrap_or_default();
        let scheme = uri.scheme_str().unwrap_or_default();
        let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{host}{port}")
    }
}

//! The layer, and what may be set.

use std::sync::Arc;

use session_core::SessionManager;
use session_core::token::Resource;
use tower_layer::Layer;

use super::origin::{AllowedOrigins, InvalidOrigin};
use super::proof::Proofs;
use super::repeat::{Cloned, Never};
use super::service::OutgoingService;
use super::settings::Settings;
use crate::cookie::SessionCookie;

/// Attaches a session's access token to the requests of an HTTP client; see
/// [the module](crate::outgoing).
#[derive(Debug, Clone)]
pub struct OutgoingLayer<R = Never> {
    settings: Arc<Settings>,
    repeat: R,
}

impl OutgoingLayer {
    /// Creates a layer that gives tokens of this manager to no origin, and repeats no request.
    #[must_use]
    pub fn new(manager: SessionManager) -> Self {
        let (origins, cookie) = (AllowedOrigins::default(), SessionCookie::default());
        let proofs = Proofs::default();
        let settings = Settings { manager, origins, cookie, passes_others: false, proofs };
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

    /// Allows tokens of a resource (RFC 8707) to go to an origin, or to the paths of an origin that
    /// begin like this one: `https://api.example/calendar` is also for `/calendar/today`, and not for
    /// `/calendars`. The longest beginning counts.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidOrigin`] like [`allow`](Self::allow), but for the path.
    ///
    /// ```
    /// use session_core::token::Resource;
    /// use session_tower::outgoing::OutgoingLayer;
    /// # fn layer(manager: session_core::SessionManager) -> Result<OutgoingLayer, Box<dyn std::error::Error>> {
    /// let calendar = Resource::new("https://api.example/calendar")?.with_scope("calendar.read");
    /// let layer = OutgoingLayer::new(manager)
    ///     .allow("https://users.example")?
    ///     .allow_for("https://api.example/calendar", calendar)?;
    /// # Ok(layer)
    /// # }
    /// ```
    pub fn allow_for(mut self, address: &str, resource: Resource) -> Result<Self, InvalidOrigin> {
        Arc::make_mut(&mut self.settings).origins.add_resource(address, resource)?;
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

    /// Repeats a request once whose token was rejected, and once whose proof lacks the service's nonce
    /// (DPoP); its body must be cheap to clone, such as
    /// `Full<Bytes>`.
    #[must_use]
    pub fn repeat_cloned(self) -> OutgoingLayer<Cloned> {
        self.repeat_with(Cloned)
    }

    /// Repeats a request as [`repeat_cloned`](Self::repeat_cloned) does, if `repeat` has made a copy of its body.
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

//! A layer for routes that need a recent or strong authentication.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::Either;
use http::{Request, Response};
use session_core::SessionManager;
use session_core::policy::authentication::RequiredAuthentication;
use tower_layer::Layer;
use tower_service::Service;

use crate::current::CurrentSession;
use crate::preflight::is_preflight;
use crate::rejection::Rejection;

/// Lets only requests pass whose user has authenticated as is required; stands inside of the
/// [`SessionLayer`](crate::SessionLayer).
///
/// Programs are answered with the challenge of RFC 9470. With
/// [`RedirectToLogin`](crate::RedirectToLogin) as the session layer's response, page loads are sent to
/// the sign-in, which lets the same session go on and comes back (step-up). A request without a
/// session is rejected as where one is required.
///
/// ```
/// use std::time::Duration;
/// use session_core::policy::authentication::RequiredAuthentication;
/// use session_tower::{RedirectToLogin, RequireAuthenticationLayer, SessionLayer};
/// # fn app(manager: session_core::SessionManager) -> Result<axum::Router, Box<dyn std::error::Error>> {
/// let fresh = RequiredAuthentication::within(Duration::from_secs(300));
/// let app = axum::Router::new()
///     .route("/password", axum::routing::get(|| async { "the form" }))
///     .layer(RequireAuthenticationLayer::new(manager.clone(), fresh))
///     .layer(SessionLayer::new(manager).with_rejection_response(RedirectToLogin::to("/login")?));
/// # Ok(app)
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RequireAuthenticationLayer {
    manager: SessionManager,
    required: Arc<RequiredAuthentication>,
}

/// A service behind a [`RequireAuthenticationLayer`].
#[derive(Debug, Clone)]
pub struct RequireAuthentication<S> {
    inner: S,
    layer: RequireAuthenticationLayer,
}

impl RequireAuthenticationLayer {
    /// Creates the layer; the manager is that of the session layer.
    #[must_use]
    pub fn new(manager: SessionManager, required: RequiredAuthentication) -> Self {
        Self { manager, required: Arc::new(required) }
    }
}

impl<S> Layer<S> for RequireAuthenticationLayer {
    type Service = RequireAuthentication<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireAuthentication { inner, layer: self.clone() }
    }
}

impl<S, B, A> Service<Request<B>> for RequireAuthentication<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    A: From<Bytes>,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<A>, S::Error>>, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let RequireAuthenticationLayer { manager, required } = &self.layer;
        let checked = CurrentSession::among(request.extensions())
            .and_then(|current| current.require(manager, required));
        match checked {
            Err(rejection) if !is_preflight(&request) => {
                if rejection == Rejection::MissingLayer {
                    tracing::error!("an authentication is required outside of the session layer");
                }
                Either::Left(ready(Ok(rejection.response())))
            }
            _ => Either::Right(self.inner.call(request)),
        }
    }
}

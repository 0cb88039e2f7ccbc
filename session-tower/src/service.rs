//! The service: serves cache hits synchronously; otherwise resolves asynchronously.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::future::ResponseFuture;
use crate::outcome::Outcome;
use crate::rejection::RejectionResponse;
use crate::resolve::Resolver;

/// The service that [`SessionLayer`](crate::SessionLayer) wraps around another one.
///
/// Its error is the inner service's: a failure of the session lookup is a response.
pub struct SessionService<S, F> {
    inner: S,
    resolver: Arc<Resolver>,
    rejection_response: Arc<F>,
}

impl<S, F> SessionService<S, F> {
    pub(crate) const fn new(inner: S, resolver: Arc<Resolver>, rejection_response: Arc<F>) -> Self {
        Self { inner, resolver, rejection_response }
    }
}

impl<S, F, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    F: RejectionResponse<ResBody>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let resolver = Arc::clone(&self.resolver);
        let presented = resolver.cookie.presented(request.headers());
        let known = if presented.is_none() {
            Some(Outcome::keeping_cookie(None))
        } else {
            let current = resolver.try_cached(&presented, request.extensions());
            current.map(|current| Outcome::Session(current, None))
        };
        if let Some(outcome) = known {
            let future = ResponseFuture::new(
                resolver,
                outcome,
                &mut self.inner,
                request,
                &*self.rejection_response,
            );
            if future.is_rejected() {
                // The readiness that is not used is given back.
                self.inner = self.inner.clone();
            }
            return future;
        }
        // The future takes the service that is ready; its clone is asked for readiness again.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let rejection_response = Arc::clone(&self.rejection_response);
        ResponseFuture::resolving(resolver, presented, ready, request, rejection_response)
    }
}

impl<S: Clone, F> Clone for SessionService<S, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            resolver: Arc::clone(&self.resolver),
            rejection_response: Arc::clone(&self.rejection_response),
        }
    }
}

impl<S, F> fmt::Debug for SessionService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

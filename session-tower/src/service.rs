//! The service: at once where the cache answers, and through a future of its own else.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::Service;

use crate::admission::{Absence, Admission};
use crate::failure::RejectionResponse;
use crate::future::ResponseFuture;
use crate::resolve::Resolver;

/// What [`SessionLayer`](crate::SessionLayer) makes of a service.
///
/// Its error is the inner service's: whatever goes wrong here is a response.
pub struct SessionService<S, F> {
    inner: S,
    resolver: Arc<Resolver>,
    failure: Arc<F>,
}

impl<S, F> SessionService<S, F> {
    pub(crate) const fn new(inner: S, resolver: Arc<Resolver>, failure: Arc<F>) -> Self {
        Self { inner, resolver, failure }
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

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let resolver = &self.resolver;
        let presented = resolver.cookie.presented(request.headers());
        if presented.is_none() {
            return match Absence::default().admitted(resolver.is_required) {
                Admission::Refused(failure, own) => {
                    // The readiness that is not used is given back.
                    self.inner = self.inner.clone();
                    let response = self.failure.response(&failure, &request.into_parts().0);
                    ResponseFuture::refused(Arc::clone(resolver), response, failure, own)
                }
                Admission::Without(absence) => {
                    absence.tell(request.extensions_mut());
                    ResponseFuture::inner(Arc::clone(resolver), self.inner.call(request))
                }
                Admission::Session(..) => {
                    ResponseFuture::inner(Arc::clone(resolver), self.inner.call(request))
                }
            };
        }
        if let Some(current) = resolver.at_once(&presented, request.extensions()) {
            request.extensions_mut().insert(current);
            return ResponseFuture::inner(Arc::clone(resolver), self.inner.call(request));
        }
        // The future takes the service that is ready; its clone is asked for readiness again.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let failure = Arc::clone(&self.failure);
        ResponseFuture::resolving(Arc::clone(resolver), presented, ready, request, failure)
    }
}

impl<S: Clone, F> Clone for SessionService<S, F> {
    fn clone(&self) -> Self {
        let (resolver, failure) = (Arc::clone(&self.resolver), Arc::clone(&self.failure));
        Self { inner: self.inner.clone(), resolver, failure }
    }
}

impl<S, F> fmt::Debug for SessionService<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

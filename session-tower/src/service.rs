//! The service: serves cache hits synchronously; otherwise resolves asynchronously.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::body::ResponseBody;
use crate::future::ResponseFuture;
use crate::resolve::Resolver;

/// The service that [`SessionLayer`](crate::SessionLayer) wraps around another one.
///
/// Its error is the inner service's: a failure of the session lookup is a response.
#[derive(Clone)]
pub struct SessionService<S> {
    inner: S,
    resolver: Arc<Resolver>,
}

impl<S> SessionService<S> {
    pub(crate) const fn new(inner: S, resolver: Arc<Resolver>) -> Self {
        Self { inner, resolver }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let resolver = Arc::clone(&self.resolver);
        let presented = resolver.cookie.presented(request.headers());
        let user = match resolver.outcome_now(&presented, &request) {
            Err(user) => user,
            Ok(outcome) => {
                let first = presented.first();
                let future =
                    ResponseFuture::new(resolver, outcome, first, &mut self.inner, request);
                if future.is_rejected() {
                    // The readiness that is not used is given back.
                    self.inner = self.inner.clone();
                }
                return future;
            }
        };
        // The future takes the service that is ready; its clone is asked for readiness again.
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        ResponseFuture::resolving(resolver, presented, user, ready, request)
    }
}

impl<S> fmt::Debug for SessionService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

//! The response's future, which writes the cookie into the response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use crate::admission::Admission;
use crate::change::{self, CookieUpdate};
use crate::cookie::Presented;
use crate::failure::{Rejection, RejectionResponse};
use crate::resolve::Resolver;

pin_project! {
    /// The future of [`SessionService`](crate::SessionService)'s response.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ReqBody, F>
    where
        S: Service<Request<ReqBody>>,
    {
        resolver: Arc<Resolver>,
        own: Option<CookieUpdate>,
        #[pin]
        state: State<S, ReqBody, F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, ReqBody, F>
    where
        S: Service<Request<ReqBody>>,
    {
        /// The inner service works.
        Inner { #[pin] future: S::Future },
        /// The inner service was not asked.
        Refused { response: Option<S::Response> },
        /// The session is being resolved; the ready service and the request wait.
        Resolving { waiting: Option<Box<Waiting<S, ReqBody, F>>> },
    }
}

struct Waiting<S, ReqBody, F> {
    resolving: Pin<Box<dyn Future<Output = Admission> + Send>>,
    ready: S,
    request: Request<ReqBody>,
    failure: Arc<F>,
}

impl<S, ReqBody, F> ResponseFuture<S, ReqBody, F>
where
    S: Service<Request<ReqBody>>,
{
    pub(crate) const fn inner(resolver: Arc<Resolver>, future: S::Future) -> Self {
        Self { resolver, own: None, state: State::Inner { future } }
    }

    pub(crate) fn resolving(
        resolver: Arc<Resolver>,
        presented: Presented,
        ready: S,
        request: Request<ReqBody>,
        failure: Arc<F>,
    ) -> Self {
        let user = resolver.known_user(request.extensions());
        let worker = Arc::clone(&resolver);
        let resolving = Box::pin(async move { worker.resolve(presented, user).await });
        let waiting = Box::new(Waiting { resolving, ready, request, failure });
        Self { resolver, own: None, state: State::Resolving { waiting: Some(waiting) } }
    }
}

impl<S, ReqBody, F, ResBody> ResponseFuture<S, ReqBody, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    pub(crate) fn refused(
        resolver: Arc<Resolver>,
        response: Response<ResBody>,
        failure: Rejection,
        own: Option<CookieUpdate>,
    ) -> Self {
        let response = Some(with_failure(response, failure));
        Self { resolver, own, state: State::Refused { response } }
    }
}

impl<S, ReqBody, F, ResBody> Future for ResponseFuture<S, ReqBody, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    F: RejectionResponse<ResBody>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let mut response = match this.state.as_mut().project() {
                StateProjection::Inner { future } => ready!(future.poll(cx))?,
                StateProjection::Refused { response } => match response.take() {
                    Some(response) => response,
                    None => return Poll::Pending,
                },
                StateProjection::Resolving { waiting: place } => {
                    let Some(waiting) = place else { return Poll::Pending };
                    let admission = ready!(waiting.resolving.as_mut().poll(cx));
                    let Some(waiting) = place.take() else { return Poll::Pending };
                    let (state, own) = waiting.go_on(admission);
                    *this.own = own;
                    this.state.set(state);
                    continue;
                }
            };
            let now = || this.resolver.manager.now();
            change::write(&mut response, this.own.take(), &this.resolver.cookie, now);
            return Poll::Ready(Ok(response));
        }
    }
}

impl<S, ReqBody, F, ResBody> Waiting<S, ReqBody, F>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    F: RejectionResponse<ResBody>,
{
    fn go_on(self, admission: Admission) -> (State<S, ReqBody, F>, Option<CookieUpdate>) {
        let Self { mut ready, mut request, failure: answers, .. } = self;
        let extensions = request.extensions_mut();
        let own = match admission {
            Admission::Session(current, own) => {
                extensions.insert(current);
                own
            }
            Admission::Without(absence) => absence.tell(extensions),
            Admission::Refused(failure, own) => {
                let response = answers.response(&failure, &request.into_parts().0);
                let response = Some(with_failure(response, failure));
                return (State::Refused { response }, own);
            }
        };
        (State::Inner { future: ready.call(request) }, own)
    }
}

/// The failure travels with its response, for layers outside that report it.
fn with_failure<B>(mut response: Response<B>, failure: Rejection) -> Response<B> {
    response.extensions_mut().insert(failure);
    response
}

impl<S, ReqBody, F> fmt::Debug for ResponseFuture<S, ReqBody, F>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

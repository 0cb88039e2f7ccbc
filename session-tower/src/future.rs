//! The response's future, which writes the cookie into the response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::VARY;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use session_core::UserId;
use session_core::session::SecretDigest;
use tower_service::Service;

use crate::body::ResponseBody;
use crate::cookie::PresentedValues;
use crate::cookie_update::{self, CookieUpdate};
use crate::current::CurrentSession;
use crate::outcome::{Admission, Outcome};
use crate::rejection::{Rejection, RejectionResponse, answer_as_configured};
use crate::resolve::Resolver;

pin_project! {
    /// The response future of [`SessionService`](crate::SessionService).
    ///
    /// # Panics
    ///
    /// Panics if it is polled after it completed.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        resolver: Arc<Resolver>,
        // The layer's own update; the handler's is in the response.
        update: Option<CookieUpdate>,
        // The cookie that the request came with.
        presented: Option<SecretDigest>,
        #[pin]
        state: State<S, ReqBody>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        /// The inner service answers. The request's head is kept if its rejections are answered in
        /// another way than by default.
        Inner { #[pin] future: S::Future, head: Option<Box<Parts>>, rotation: Option<Box<CurrentSession>> },
        /// The inner service has answered, and the session gets a new secret.
        Rotating { update: PendingUpdate, answer: Option<S::Response>, head: Option<Box<Parts>> },
        /// The request is rejected; the inner service is not called.
        Rejected { response: Option<Response<Bytes>> },
        /// The session is being resolved.
        Resolving { pending: Option<Box<Pending<S, ReqBody>>> },
    }
}

type PendingUpdate = Pin<Box<dyn Future<Output = Option<CookieUpdate>> + Send>>;

/// The ready service and the request, while the session is being resolved.
struct Pending<S, ReqBody> {
    outcome: Pin<Box<dyn Future<Output = Outcome> + Send>>,
    ready: S,
    request: Request<ReqBody>,
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(crate) fn resolving(
        resolver: Arc<Resolver>,
        presented: PresentedValues,
        user: Option<UserId>,
        ready: S,
        request: Request<ReqBody>,
    ) -> Self {
        let first = presented.first();
        let shared = Arc::clone(&resolver);
        let outcome = Box::pin(shared.resolve(presented, user));
        let pending = Some(Box::new(Pending { outcome, ready, request }));
        Self { resolver, update: None, presented: first, state: State::Resolving { pending } }
    }

    pub(crate) const fn is_rejected(&self) -> bool {
        matches!(self.state, State::Rejected { .. })
    }
}

impl<S, ReqBody, ResBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    pub(crate) fn new(
        resolver: Arc<Resolver>,
        outcome: Outcome,
        presented: Option<SecretDigest>,
        ready: &mut S,
        mut request: Request<ReqBody>,
    ) -> Self {
        let is_required = resolver.requires_session(&request);
        let Admission { rejection, update, rotation } =
            outcome.admit(is_required, resolver.cookie.is_secure(), request.extensions_mut());
        let state = State::new(rejection, rotation, ready, request, &*resolver.rejection_response);
        Self { resolver, update, presented, state }
    }
}

impl<S, ReqBody, ResBody> State<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    /// Calls the ready service, or answers in its place.
    fn new(
        rejection: Option<Rejection>,
        rotation: Option<CurrentSession>,
        ready: &mut S,
        request: Request<ReqBody>,
        rejection_response: &dyn RejectionResponse,
    ) -> Self {
        match rejection {
            None => {
                let is_kept = rejection_response.applies_to(request.method(), request.headers());
                let head = is_kept.then(|| Box::new(head(&request)));
                Self::Inner { future: ready.call(request), head, rotation: rotation.map(Box::new) }
            }
            Some(rejection) => {
                let mut response = rejection_response.response(&rejection, &request.into_parts().0);
                // Layers outside of this one can report it.
                response.extensions_mut().insert(rejection);
                Self::Rejected { response: Some(response) }
            }
        }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let mut response = match this.state.as_mut().project() {
                StateProjection::Inner { future, head, rotation } => {
                    let answer = ready!(future.poll(cx))?;
                    let (head, rotation) = (head.take(), rotation.take());
                    let rotation = rotation.filter(|_| !CookieUpdate::is_decided_in(&answer));
                    if let Some(current) = rotation {
                        let update = Box::pin(Arc::clone(this.resolver).rotate(*current));
                        this.state.set(State::Rotating { update, answer: Some(answer), head });
                        continue;
                    }
                    let configured = &*this.resolver.rejection_response;
                    answer_as_configured(answer, head.as_deref(), configured)
                }
                StateProjection::Rotating { update, answer, head } => {
                    *this.update = ready!(update.as_mut().poll(cx));
                    let configured = &*this.resolver.rejection_response;
                    answer_as_configured(not_completed(answer.take()), head.as_deref(), configured)
                }
                StateProjection::Rejected { response } => {
                    not_completed(response.take()).map(ResponseBody::rejection)
                }
                StateProjection::Resolving { pending } => {
                    let outcome = &mut not_completed(pending.as_mut()).outcome;
                    let outcome = ready!(outcome.as_mut().poll(cx));
                    let Pending { mut ready, mut request, .. } = *not_completed(pending.take());
                    let is_required = this.resolver.requires_session(&request);
                    let is_secure = this.resolver.cookie.is_secure();
                    let Admission { rejection, update, rotation } =
                        outcome.admit(is_required, is_secure, request.extensions_mut());
                    *this.update = update;
                    let responder = &*this.resolver.rejection_response;
                    let state = State::new(rejection, rotation, &mut ready, request, responder);
                    this.state.set(state);
                    continue;
                }
            };
            let Resolver { manager, cookie, recent_sign_ins, .. } = &**this.resolver;
            if this.resolver.is_session_required || Rejection::is_in(&response) {
                vary_by_cookie(response.headers_mut());
            }
            let (update, presented) = (this.update.take(), *this.presented);
            let now = || manager.now();
            cookie_update::write(&mut response, update, presented, cookie, recent_sign_ins, now);
            return Poll::Ready(Ok(response));
        }
    }
}

/// Tells caches that the answer depends on the cookie.
fn vary_by_cookie(headers: &mut HeaderMap) {
    let names =
        headers.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let is_told = |name: &[u8]| {
        let name = name.trim_ascii();
        name == b"*" || name.eq_ignore_ascii_case(b"cookie")
    };
    if !names.into_iter().any(is_told) {
        headers.append(VARY, HeaderValue::from_static("cookie"));
    }
}

/// Copies a request's head, without its extensions.
fn head<B>(request: &Request<B>) -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = request.method().clone();
    head.uri = request.uri().clone();
    head.version = request.version();
    head.headers = request.headers().clone();
    head
}

#[expect(clippy::panic, reason = "the caller broke the contract of `Future`; pending would hang")]
fn not_completed<T>(value: Option<T>) -> T {
    match value {
        Some(value) => value,
        None => panic!("`ResponseFuture` was polled after it completed"),
    }
}

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("resolver", &self.resolver).finish_non_exhaustive()
    }
}

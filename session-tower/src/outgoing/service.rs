//! One call: the token, the request, and further tries.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::authorize::authorize;
use super::caller::Caller;
use super::challenge::rejects_token;
use super::error::OutgoingError;
use super::origin::TokenKind;
use super::repeat::Repeat;
use super::settings::Settings;

/// A client whose requests get access tokens; made by [`OutgoingLayer`](super::OutgoingLayer).
#[derive(Debug, Clone)]
pub struct OutgoingService<S, R> {
    inner: S,
    settings: Arc<Settings>,
    repeat: R,
}

impl<S, R> OutgoingService<S, R> {
    pub(super) const fn new(inner: S, settings: Arc<Settings>, repeat: R) -> Self {
        Self { inner, settings, repeat }
    }
}

type CallResult<B, E> = Result<Response<B>, OutgoingError<E>>;

impl<S, R, B, A> Service<Request<B>> for OutgoingService<S, R>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    R: Repeat<B> + Clone + Send + Sync + 'static,
    B: Send + 'static,
    A: Send + 'static,
{
    type Response = Response<A>;
    type Error = OutgoingError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = CallResult<A, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(OutgoingError::Call)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that was made ready is the one that is called.
        let other = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, other);
        let (settings, repeat) = (Arc::clone(&self.settings), self.repeat.clone());
        Box::pin(async move {
            settings.cookie.remove_from(request.headers_mut());
            let caller = Caller::take(request.extensions_mut());
            let Some((caller, kind)) = settings.check(caller, &request)? else {
                return ready.call(request).await.map_err(OutgoingError::Call);
            };
            let call = Call { settings: &settings, caller, kind };
            call.send(ready, request, &repeat).await
        })
    }
}

/// A request on behalf of a session.
struct Call<'a> {
    settings: &'a Settings,
    caller: Caller,
    kind: TokenKind,
}

impl Call<'_> {
    async fn send<S, R, B, A>(
        self,
        mut ready: S,
        mut request: Request<B>,
        repeat: &R,
    ) -> CallResult<A, S::Error>
    where
        S: Service<Request<B>, Response = Response<A>>,
        R: Repeat<B>,
    {
        let Self { settings, caller, kind } = self;
        let manager = &settings.manager;
        let mut token = caller.token(manager, &kind).await.map_err(OutgoingError::Token)?;
        let (mut may_renew, mut may_take_nonce) = (true, true);
        loop {
            authorize(&mut request, &token, settings)?;
            let is_bound = token.is_sender_constrained();
            let may_repeat = may_renew || (is_bound && may_take_nonce);
            let again = if may_repeat { copy(&request, repeat) } else { None };
            let uri = request.uri().clone();
            let response = ready.call(request).await.map_err(OutgoingError::Call)?;
            let wants_nonce = is_bound && settings.proofs.learn(&uri, &response);
            if wants_nonce && may_take_nonce {
                may_take_nonce = false;
            } else if may_renew && rejects_token(&response) {
                may_renew = false;
                // Also if this request cannot be repeated: the next one finds another token.
                let renewed = caller.token_after_rejection(manager, &kind, &token).await;
                if again.is_some() {
                    token = renewed.map_err(OutgoingError::Token)?;
                }
            } else {
                return Ok(response);
            }
            let Some(again) = again else { return Ok(response) };
            request = again;
            std::future::poll_fn(|context| ready.poll_ready(context))
                .await
                .map_err(OutgoingError::Call)?;
        }
    }
}

/// Copies a request for another try, if its body can be copied.
fn copy<B>(request: &Request<B>, repeat: &impl Repeat<B>) -> Option<Request<B>> {
    let mut copy = Request::new(repeat.repeat(request.body())?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

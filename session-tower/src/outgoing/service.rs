//! One call: the token, the request, and the second try.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use tower_service::Service;

use super::caller::{Caller, OutgoingToken};
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
        let manager = &self.settings.manager;
        let token = self.caller.token(manager, &self.kind).await.map_err(OutgoingError::Token)?;
        authorize(&mut request, &token)?;
        let second = copy(&request, repeat);
        let response = ready.call(request).await.map_err(OutgoingError::Call)?;
        if !rejects_token(&response) {
            return Ok(response);
        }
        // Also if this request cannot be repeated: the next one finds another token.
        let renewed = self.caller.token_after_rejection(manager, &self.kind, &token).await;
        let Some(mut second) = second else { return Ok(response) };
        let renewed = renewed.map_err(OutgoingError::Token)?;
        authorize(&mut second, &renewed)?;
        std::future::poll_fn(|context| ready.poll_ready(context))
            .await
            .map_err(OutgoingError::Call)?;
        ready.call(second).await.map_err(OutgoingError::Call)
    }
}

/// Sets the `Authorization` header, in place of one that the request had.
fn authorize<B, E>(
    request: &mut Request<B>,
    token: &OutgoingToken,
) -> Result<(), OutgoingError<E>> {
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.as_str()));
    let mut bearer = bearer.map_err(|_| OutgoingError::MalformedToken)?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    Ok(())
}

/// Copies a request for a second try, if its body can be copied.
fn copy<B>(request: &Request<B>, repeat: &impl Repeat<B>) -> Option<Request<B>> {
    let mut copy = Request::new(repeat.repeat(request.body())?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

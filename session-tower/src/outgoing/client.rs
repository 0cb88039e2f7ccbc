//! A client of one other service, with the session's access token in each request (feature
//! `sign-in`).

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use session_core::SessionManager;
use session_core::middleware::ErrorChain;
use session_core::provider::openid::HttpClient;
use tower_layer::Layer as _;
use tower_service::Service;

use super::error::OutgoingError;
use super::layer::OutgoingLayer;
use super::origin::InvalidOrigin;
use super::repeat::Cloned;
use super::service::OutgoingService;
use crate::current::CurrentSession;
use crate::rejection::Rejection;

type BoxError = Box<dyn Error + Send + Sync>;

/// Calls one other service on behalf of sessions: the [`OutgoingLayer`] around an HTTP client, for
/// handlers that need no more. Cheap to clone.
///
/// ```no_run
/// use session_core::provider::openid::HttpClient;
/// use session_core::SessionManager;
/// use session_tower::outgoing::OutgoingClient;
/// use session_tower::{CurrentSession, Rejection};
///
/// # fn new(manager: SessionManager, http: impl HttpClient)
/// #     -> Result<OutgoingClient, session_tower::outgoing::InvalidOrigin> {
/// let calendar = OutgoingClient::new(manager, http, "https://calendar.example")?;
/// # Ok(calendar)
/// # }
///
/// async fn today(calendar: OutgoingClient, session: CurrentSession) -> Result<Vec<u8>, Rejection> {
///     Ok(calendar.get(&session, "/today").await?.into_body())
/// }
/// ```
#[derive(Clone)]
pub struct OutgoingClient {
    service: OutgoingService<HttpClientService, Cloned>,
    origin: Uri,
}

/// Why a call of an [`OutgoingClient`] failed. A handler's `?` converts it to a [`Rejection`].
#[derive(Debug)]
pub struct CallError(OutgoingError<CallFailure>);

/// The HTTP client failed, or there is no such address.
#[derive(Debug)]
struct CallFailure(BoxError);

/// An HTTP client of providers as a tower service.
#[derive(Clone)]
struct HttpClientService(Arc<dyn HttpClient>);

impl OutgoingClient {
    /// Creates a client of the service with this origin, such as `https://api.example`: no other one
    /// gets a token.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidOrigin`] as [`OutgoingLayer::allow`] does.
    pub fn new(
        manager: SessionManager,
        http: impl HttpClient,
        origin: &str,
    ) -> Result<Self, InvalidOrigin> {
        let layer = OutgoingLayer::new(manager).allow(origin)?.repeat_cloned();
        let origin = origin.parse().map_err(|_| InvalidOrigin::of(origin))?;
        Ok(Self { service: layer.layer(HttpClientService(Arc::new(http))), origin })
    }

    /// Gets a path of the service, which may have a query, with the session's access token.
    ///
    /// # Errors
    ///
    /// Returns [`CallError`] if there is no token, or no response. A response with an error status is
    /// none.
    pub async fn get(
        &self,
        session: &CurrentSession,
        path: &str,
    ) -> Result<Response<Vec<u8>>, CallError> {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = path.parse().map_err(CallError::of)?;
        self.send(session, request).await
    }

    /// Sends a request to the service, with the session's access token; its address is a path.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`get`](Self::get).
    pub async fn send(
        &self,
        session: &CurrentSession,
        mut request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, CallError> {
        *request.uri_mut() = self.address(request.uri()).map_err(CallError::of)?;
        request.extensions_mut().insert(session.clone());
        let mut service = self.service.clone();
        poll_fn(|context| service.poll_ready(context)).await.map_err(CallError)?;
        service.call(request).await.map_err(CallError)
    }

    fn address(&self, path: &Uri) -> Result<Uri, http::Error> {
        let origin = self.origin.clone().into_parts();
        let path = path.path_and_query().map_or("/", PathAndQuery::as_str);
        let builder = Uri::builder().path_and_query(path);
        let builder = origin.scheme.into_iter().fold(builder, http::uri::Builder::scheme);
        origin.authority.into_iter().fold(builder, http::uri::Builder::authority).build()
    }
}

impl CallError {
    fn of(error: impl Into<BoxError>) -> Self {
        Self(OutgoingError::Call(CallFailure(error.into())))
    }

    /// Returns whether the user must sign in again.
    #[must_use]
    pub const fn needs_sign_in(&self) -> bool {
        self.0.needs_sign_in()
    }
}

impl From<CallError> for Rejection {
    /// Answers as a handler does that has called on behalf of the request's own session: 401 if it
    /// has ended or must sign in again, 503 if no token can be had, and otherwise 502.
    fn from(error: CallError) -> Self {
        match error.0 {
            OutgoingError::Token(error) => Self::of_own_token(error),
            _ => {
                tracing::warn!(error = %ErrorChain(&error), "another service was not reached");
                Self::BadGateway
            }
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl fmt::Display for CallFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CallFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Service<Request<Vec<u8>>> for HttpClientService {
    type Response = Response<Vec<u8>>;
    type Error = CallFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, CallFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let client = Arc::clone(&self.0);
        Box::pin(async move { client.send(request).await.map_err(CallFailure) })
    }
}

impl fmt::Debug for OutgoingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingClient").field("origin", &self.origin).finish_non_exhaustive()
    }
}

//! One request: from the browser to the upstream, and the answer back.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use axum::http::header::{HOST, UPGRADE};
use axum::http::{HeaderValue, Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use session_core::SessionManager;
use session_tower::outgoing::{OutgoingError, OutgoingService};
use session_tower::{CurrentSession, Rejection, SessionCookie, UntilEnded};
use tower::{Service, ServiceExt as _};

use crate::assertion::Assertions;
use crate::headers::{
    ASSERTION, USER, ask_for_upgrade, clean_request, clean_response, say_where_from,
};
use crate::tunnel::{is_foreign, tunnel, upgrade_of};

/// The client of the upstream.
pub(crate) type UpstreamClient = Client<HttpConnector, Body>;

/// Repeats a request whose token was rejected, if it has no body.
pub(crate) type RepeatEmpty = fn(&Body) -> Option<Body>;

/// Creates the client of the upstream, which keeps its connections.
pub(crate) fn client() -> UpstreamClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Copies an empty body; others are streams.
pub(crate) fn repeat_empty(body: &Body) -> Option<Body> {
    body.is_end_stream().then(Body::empty)
}

/// Passes requests with a session on to the upstream.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    pub(crate) client: OutgoingService<UpstreamClient, RepeatEmpty>,
    pub(crate) sessions: SessionManager,
    pub(crate) cookie: SessionCookie,
    pub(crate) upstream: Uri,
    pub(crate) assertions: Arc<Assertions>,
}

impl Service<Request<Body>> for Forward {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.forward(request).await) })
    }
}

impl Forward {
    async fn forward(self, mut request: Request<Body>) -> Response {
        let Some(current) = request.extensions().get::<CurrentSession>().cloned() else {
            return Rejection::NoSession.response();
        };
        let upgrade = upgrade_of(&mut request);
        if upgrade.is_some() && is_foreign(request.headers(), request.headers().get(HOST)) {
            return StatusCode::FORBIDDEN.into_response();
        }
        let Some(uri) = self.upstream_uri(request.uri()) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        *request.uri_mut() = uri;
        let (protocol, client) = upgrade.unzip();
        if !self.prepare(&mut request, &current, protocol) {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        match self.client.clone().oneshot(request).await {
            Ok(response) => self.answer(response, current, client),
            Err(error) => failed(error),
        }
    }

    /// Returns the upstream's address of a path; `None` where the request has none.
    fn upstream_uri(&self, of: &Uri) -> Option<Uri> {
        let mut parts = self.upstream.clone().into_parts();
        parts.path_and_query = Some(of.path_and_query()?.clone());
        Uri::from_parts(parts).ok()
    }

    /// Cleans the headers, and says who the user is. Returns `false` if no header can say it.
    fn prepare(
        &self,
        request: &mut Request<Body>,
        current: &CurrentSession,
        protocol: Option<HeaderValue>,
    ) -> bool {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
        let headers = request.headers_mut();
        clean_request(headers);
        say_where_from(headers, peer, self.assertions.scheme());
        let user = HeaderValue::from_str(current.user().as_str()).ok();
        let (Some(user), Some(assertion)) = (user, self.assertions.of(current.user())) else {
            return false;
        };
        headers.insert(USER, user);
        headers.insert(ASSERTION, assertion);
        if let Some(protocol) = protocol {
            ask_for_upgrade(headers, protocol);
        }
        true
    }

    /// Passes the upstream's answer on, until the session ends.
    fn answer(
        self,
        mut response: hyper::Response<Incoming>,
        current: CurrentSession,
        client: Option<OnUpgrade>,
    ) -> Response {
        let protocol = response.headers().get(UPGRADE).cloned();
        clean_response(response.headers_mut(), self.cookie.name());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return response.map(|body| Body::new(UntilEnded::new(body, current.ended())));
        }
        let (Some(protocol), Some(client)) = (protocol, client) else {
            tracing::warn!("the upstream speaks a protocol that the browser did not ask for");
            return StatusCode::BAD_GATEWAY.into_response();
        };
        let upstream = hyper::upgrade::on(&mut response);
        tokio::spawn(tunnel((client, upstream), current, self.sessions));
        ask_for_upgrade(response.headers_mut(), protocol);
        response.map(|_| Body::empty())
    }
}

/// Answers a request that the upstream did not get, or did not answer.
fn failed(error: OutgoingError<hyper_util::client::legacy::Error>) -> Response {
    match error {
        OutgoingError::Token(error) => Rejection::of_own_token(error).response(),
        error => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "a request gets no answer from the upstream");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

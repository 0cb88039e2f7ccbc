//! Scripted faults.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::watch;

/// Where a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// Token requests with `grant_type=refresh_token`.
    Renewal,
    /// Requests to the revocation endpoint.
    Revocation,
    /// Every token request.
    Token,
    /// Requests to userinfo.
    UserInfo,
}

/// A fault of one request.
#[derive(Clone, Debug)]
pub struct Fault(pub(crate) Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Respond(ScriptedResponse),
    Close,
    HoldResponse(Arc<Gate>),
    HoldRequest(Arc<Gate>),
    LoseResponse,
}

impl Fault {
    /// Creates a fault that sends a scripted response; the request has no effect.
    #[must_use]
    pub fn respond(response: ScriptedResponse) -> Self {
        Self(Kind::Respond(response))
    }

    /// Creates a fault that closes the connection without a response; the request has no effect.
    #[must_use]
    pub fn close() -> Self {
        Self(Kind::Close)
    }

    /// Creates a fault that holds the response back until released. The request has taken effect: the
    /// refresh token is rotated.
    pub fn hold_response() -> (Self, HeldRequest) {
        let gate = Arc::new(Gate::default());
        (Self(Kind::HoldResponse(Arc::clone(&gate))), HeldRequest(gate))
    }

    /// Creates a fault that holds the request until released. Until then it has no effect.
    pub fn hold_request() -> (Self, HeldRequest) {
        let gate = Arc::new(Gate::default());
        (Self(Kind::HoldRequest(Arc::clone(&gate))), HeldRequest(gate))
    }

    /// Creates a fault that closes the connection without a response, after the request has taken
    /// effect: the refresh token is rotated.
    #[must_use]
    pub fn lose_response() -> Self {
        Self(Kind::LoseResponse)
    }
}

/// The handle of a held request. Dropping it releases the request.
#[derive(Debug)]
#[must_use = "dropping it releases the request"]
pub struct HeldRequest(Arc<Gate>);

impl HeldRequest {
    /// Waits until a request is held.
    pub async fn reached(&self) {
        wait_for(&self.0.reached).await;
    }

    /// Releases the request, including one that has not arrived yet.
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }
}

impl Drop for HeldRequest {
    fn drop(&mut self) {
        self.release();
    }
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    reached: watch::Sender<bool>,
    released: watch::Sender<bool>,
}

impl Gate {
    pub(crate) async fn pass(&self) {
        self.reached.send_replace(true);
        wait_for(&self.released).await;
    }
}

async fn wait_for(flag: &watch::Sender<bool>) {
    // The sender outlives the borrow, so this fails only after the flag is set.
    let _ = flag.subscribe().wait_for(|set| *set).await;
}

/// A response that a test scripted: status, headers and body, valid or not.
///
/// # Example
///
/// ```
/// use axum::http::StatusCode;
/// use identity_provider::{Fault, ScriptedResponse};
///
/// let busy = ScriptedResponse::new(StatusCode::TOO_MANY_REQUESTS).retry_after_seconds(7);
/// let broken = ScriptedResponse::new(StatusCode::OK).body("{not json");
/// let _ = (Fault::respond(busy), Fault::respond(broken));
/// ```
#[derive(Clone)]
pub struct ScriptedResponse {
    body: String,
    headers: HeaderMap,
    status: StatusCode,
}

impl ScriptedResponse {
    /// Creates a response without a body.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { body: String::new(), headers: HeaderMap::new(), status }
    }

    /// Creates a response with a JSON body.
    #[must_use]
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self::new(status)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_string())
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after_seconds(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }
}

impl IntoResponse for ScriptedResponse {
    fn into_response(self) -> Response {
        (self.status, self.headers, Body::from(self.body)).into_response()
    }
}

/// The body may be a token response.
impl fmt::Debug for ScriptedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedResponse").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A marker in a response's extensions: the server closes the connection and sends nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoResponse;

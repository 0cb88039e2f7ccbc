use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::watch;

/// Where a fault strikes.
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

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub struct Fault(pub(crate) Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Answer(ScriptedAnswer),
    Close,
    HoldAnswer(Arc<Gate>),
    HoldRequest(Arc<Gate>),
    LoseAnswer,
}

impl Fault {
    /// The scripted answer is given, and nothing else happens.
    #[must_use]
    pub fn answer(answer: ScriptedAnswer) -> Self {
        Self(Kind::Answer(answer))
    }

    /// The connection is closed without an answer, and nothing else happens.
    #[must_use]
    pub fn close() -> Self {
        Self(Kind::Close)
    }

    /// The request takes full effect (the refresh token is rotated), then the answer is held back
    /// until released.
    pub fn hold_answer() -> (Self, HeldRequest) {
        let gate = Arc::new(Gate::default());
        (Self(Kind::HoldAnswer(Arc::clone(&gate))), HeldRequest(gate))
    }

    /// The request hangs until released; only then it takes effect.
    pub fn hold_request() -> (Self, HeldRequest) {
        let gate = Arc::new(Gate::default());
        (Self(Kind::HoldRequest(Arc::clone(&gate))), HeldRequest(gate))
    }

    /// The request takes full effect (the refresh token is rotated), but the connection is closed
    /// without an answer.
    #[must_use]
    pub fn lose_answer() -> Self {
        Self(Kind::LoseAnswer)
    }
}

/// The test's end of a request that hangs. Dropping it releases the request.
#[derive(Debug)]
#[must_use = "dropping it releases the request"]
pub struct HeldRequest(Arc<Gate>);

impl HeldRequest {
    /// Waits until a request hangs here.
    pub async fn reached(&self) {
        wait_for(&self.0.reached).await;
    }

    /// Lets the request go on, also one that has yet to come.
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
    // The sender lives as long as the borrow: this cannot fail before the flag is set.
    let _ = flag.subscribe().wait_for(|set| *set).await;
}

/// An answer that a test wrote: status, headers and body, correct or not.
///
/// # Example
///
/// ```
/// use axum::http::StatusCode;
/// use identity_provider::{Fault, ScriptedAnswer};
///
/// let busy = ScriptedAnswer::new(StatusCode::TOO_MANY_REQUESTS).retry_after_seconds(7);
/// let broken = ScriptedAnswer::new(StatusCode::OK).body("{not json");
/// let _ = (Fault::answer(busy), Fault::answer(broken));
/// ```
#[derive(Clone)]
pub struct ScriptedAnswer {
    body: String,
    headers: HeaderMap,
    status: StatusCode,
}

impl ScriptedAnswer {
    /// An answer of that status without a body.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { body: String::new(), headers: HeaderMap::new(), status }
    }

    /// An answer with a JSON body.
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

    /// Sets `Retry-After` to that many seconds.
    #[must_use]
    pub fn retry_after_seconds(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Sets the body as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }
}

impl IntoResponse for ScriptedAnswer {
    fn into_response(self) -> Response {
        (self.status, self.headers, Body::from(self.body)).into_response()
    }
}

/// The body may be a token response.
impl fmt::Debug for ScriptedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// In a response's extensions: the server closes the connection and sends nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoAnswer;

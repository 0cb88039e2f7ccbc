//! Rejected requests, and how they are answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    RETRY_AFTER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use session_core::EndReason;
use session_core::manager::{ManagerError, ManagerErrorKind, TokenError, TokenErrorKind};
use session_core::policy::authentication::RequiredAuthentication;

use crate::body::ResponseBody;
use crate::cookie_update::CookieUpdate;
use crate::www_authenticate;

/// The `Retry-After` of a store that is unavailable.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The `Retry-After` of an unreadable session, which needs an operator to become readable.
const UNREADABLE_RETRY_AFTER: Duration = Duration::from_secs(60);

/// Why a request gets no session, no access token, or not what it asked of the manager.
///
/// The errors of the manager convert to it, for `?`. They do not say whose session they are about,
/// so the end of another session, such as a tool client's, is answered 404 and leaves the browser's
/// cookie alone. For calls about the request's own session there are
/// [`of_own_session`](Self::of_own_session) and [`of_own_token`](Self::of_own_token).
///
/// ```
/// use session_core::EndReason;
/// use session_tower::Rejection;
///
/// let rejection = Rejection::Ended(EndReason::Evicted);
/// assert_eq!(rejection.status().as_u16(), 401);
/// assert_eq!(rejection.error(), "unauthenticated");
/// assert_eq!(rejection.reason(), Some("evicted"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// Another service, which the handler has called, gave no answer: 502.
    BadGateway,
    /// The session has ended: 401 with the reason.
    Ended(EndReason),
    /// The session is live, but its user has not authenticated as recently or as strongly as this
    /// request needs: 401 (RFC 9470).
    InsufficientAuthentication(Arc<RequiredAuthentication>),
    /// The user has the maximum number of sessions, and the policy refuses one more: 409.
    LimitReached,
    /// An extractor is used on a route without the session layer, which is a fault of the
    /// application: 500.
    MissingLayer,
    /// The request has no session: 401.
    NoSession,
    /// The session that the request names is not there, or is over: 404. It is another session than
    /// the request's own.
    NotFound,
    /// The session is live, but a new access token needs a new sign-in: 401.
    SignInNeeded,
    /// The store is unavailable, or no access token can be had now: 503.
    Unavailable {
        /// The time to wait before the next attempt.
        retry_after: Duration,
    },
    /// The session's tokens cannot be decrypted: 503. Its row and its cookie are kept.
    Unreadable,
}

impl Rejection {
    pub(crate) const UNAVAILABLE: Self = Self::Unavailable { retry_after: STORE_RETRY_AFTER };

    pub(crate) fn is_in<B>(response: &Response<B>) -> bool {
        response.extensions().get::<Self>().is_some()
    }

    /// Returns the status of the response.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::Ended(_)
            | Self::InsufficientAuthentication(_)
            | Self::NoSession
            | Self::SignInNeeded => StatusCode::UNAUTHORIZED,
            Self::LimitReached => StatusCode::CONFLICT,
            Self::MissingLayer => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unavailable { .. } | Self::Unreadable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the error code: `bad_gateway`, `insufficient_user_authentication`, `internal`,
    /// `limit_reached`, `not_found`, `unauthenticated`, `unavailable` or `unreadable`.
    #[must_use]
    pub const fn error(&self) -> &'static str {
        match self {
            Self::BadGateway => "bad_gateway",
            Self::Ended(_) | Self::NoSession | Self::SignInNeeded => "unauthenticated",
            Self::InsufficientAuthentication(_) => "insufficient_user_authentication",
            Self::LimitReached => "limit_reached",
            Self::MissingLayer => "internal",
            Self::NotFound => "not_found",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreadable => "unreadable",
        }
    }

    /// Returns why the request is unauthenticated: the reason of the end, `no_session` or
    /// `sign_in_needed`. `None` for all other errors.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Ended(reason) => Some(reason.as_str()),
            Self::NoSession => Some("no_session"),
            Self::SignInNeeded => Some("sign_in_needed"),
            Self::BadGateway
            | Self::InsufficientAuthentication(_)
            | Self::LimitReached
            | Self::MissingLayer
            | Self::NotFound
            | Self::Unavailable { .. }
            | Self::Unreadable => None,
        }
    }

    /// Returns the time to wait before the next attempt, if another attempt may succeed.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => Some(*retry_after),
            Self::Unreadable => Some(UNREADABLE_RETRY_AFTER),
            _ => None,
        }
    }

    /// Returns the header that says so, in seconds: rounded up, so that no client comes back too early.
    pub(crate) fn retry_after_header(&self) -> Option<(HeaderName, HeaderValue)> {
        let wait = self.retry_after()?;
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        Some((RETRY_AFTER, HeaderValue::from(seconds.max(1))))
    }

    /// Returns the response for a handler: a [`ProblemDetails`], in whose place the layer puts the
    /// response that [it is configured with](crate::SessionLayer::with_rejection_response). If it
    /// tells why the session has ended, it clears the cookie.
    #[must_use]
    pub fn response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = ProblemDetails::of(&self);
        if matches!(self, Self::Ended(reason) if reason != EndReason::Superseded) {
            response.extensions_mut().insert(CookieUpdate::reason_told());
        }
        response.extensions_mut().insert(self.clone());
        response.extensions_mut().insert(OfHandler(self));
        response
    }

    /// Converts the error of a call about the request's own session. If that session is over, the
    /// response tells the reason and clears the cookie.
    #[must_use]
    pub fn of_own_session(error: ManagerError) -> Self {
        match error.kind() {
            ManagerErrorKind::Ended(reason) => Self::Ended(reason),
            ManagerErrorKind::NotFound => Self::NoSession,
            _ => error.into(),
        }
    }

    /// Converts the error of a call for a token of the request's own session. If that session is
    /// over, the response tells the reason and clears the cookie.
    #[must_use]
    pub fn of_own_token(error: TokenError) -> Self {
        match error.kind() {
            TokenErrorKind::Ended(reason) => Self::Ended(reason),
            TokenErrorKind::NotFound => Self::NoSession,
            _ => error.into(),
        }
    }
}

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        match error.kind() {
            TokenErrorKind::Ended(_) | TokenErrorKind::NotFound => Self::NotFound,
            TokenErrorKind::SignInNeeded => Self::SignInNeeded,
            TokenErrorKind::Unreadable => Self::Unreadable,
            TokenErrorKind::Unavailable { retry_after } => Self::Unavailable { retry_after },
            _ => Self::UNAVAILABLE,
        }
    }
}

impl From<ManagerError> for Rejection {
    fn from(error: ManagerError) -> Self {
        Self::from(&error)
    }
}

impl From<&ManagerError> for Rejection {
    fn from(error: &ManagerError) -> Self {
        match error.kind() {
            ManagerErrorKind::Ended(_) | ManagerErrorKind::NotFound => Self::NotFound,
            ManagerErrorKind::LimitReached { .. } => Self::LimitReached,
            // Neither has signed a user in.
            ManagerErrorKind::Ambiguous | ManagerErrorKind::OtherUser => Self::NoSession,
            ManagerErrorKind::Unreadable => Self::Unreadable,
            _ => Self::UNAVAILABLE,
        }
    }
}

/// The mark of a handler's rejection, which the layer has not answered as configured yet.
#[derive(Clone)]
struct OfHandler(Rejection);

/// The headers of a response that belong to its body.
const BODY_HEADERS: [HeaderName; 8] = [
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    RETRY_AFTER,
    TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
];

/// Puts the configured response in the place of a handler's rejection. `request` is the head that
/// was kept, if the configured response applies to it.
pub(crate) fn answer_as_configured<B>(
    mut response: Response<B>,
    request: Option<&Parts>,
    configured: &dyn RejectionResponse,
) -> Response<ResponseBody<B>> {
    let rejection = response.extensions_mut().remove::<OfHandler>();
    let (Some(OfHandler(rejection)), Some(request)) = (rejection, request) else {
        return response.map(ResponseBody::inner);
    };
    let (mut old, _) = response.into_parts();
    let (mut parts, bytes) = configured.response(&rejection, request).into_parts();
    for name in &BODY_HEADERS {
        old.headers.remove(name);
    }
    old.headers.extend(parts.headers);
    parts.headers = old.headers;
    parts.extensions.extend(old.extensions);
    Response::from_parts(parts, ResponseBody::rejection(bytes))
}

/// Builds the response to a rejected request; implemented for closures that return a string or
/// other bytes.
///
/// ```
/// use http::{Request, Response, request::Parts};
/// use session_tower::{Rejection, RejectionResponse};
///
/// let plain_text = |rejection: &Rejection, _request: &Parts| {
///     let mut response = Response::new(rejection.error().to_owned());
///     *response.status_mut() = rejection.status();
///     response
/// };
/// let (parts, ()) = Request::new(()).into_parts();
/// let response = plain_text.response(&Rejection::NoSession, &parts);
/// assert_eq!(response.status(), 401);
/// assert_eq!(response.body(), "unauthenticated");
/// ```
pub trait RejectionResponse: Send + Sync + 'static {
    /// Builds the response to this request, whose body is dropped.
    fn response(&self, rejection: &Rejection, request: &Parts) -> Response<Bytes>;

    /// Returns whether requests like this one may get another response than a [`ProblemDetails`]
    /// (default: all). Of such a request the layer keeps a copy of the head, without its
    /// extensions, to answer the rejections of extractors and handlers too.
    fn applies_to(&self, _method: &Method, _headers: &HeaderMap) -> bool {
        true
    }
}

impl<F, B> RejectionResponse for F
where
    F: Fn(&Rejection, &Parts) -> Response<B> + Send + Sync + 'static,
    B: Into<Bytes>,
{
    fn response(&self, rejection: &Rejection, request: &Parts) -> Response<Bytes> {
        self(rejection, request).map(Into::into)
    }
}

/// Answers with a problem document (RFC 9457): 401 with the reason and a `WWW-Authenticate`, 409, or
/// 503 with `Retry-After`.
///
/// Its members are `type`, `title`, `status`, `error` and, at 401, `reason`.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ProblemDetails;

impl ProblemDetails {
    /// Builds the problem document of a rejection.
    ///
    /// ```
    /// use session_tower::{ProblemDetails, Rejection};
    ///
    /// let response: http::Response<bytes::Bytes> = ProblemDetails::of(&Rejection::Unreadable);
    /// assert_eq!(response.status(), 503);
    /// assert_eq!(response.headers()["content-type"], "application/problem+json");
    /// assert_eq!(response.headers()["retry-after"], "60");
    /// ```
    #[must_use]
    pub fn of<B: From<Bytes>>(rejection: &Rejection) -> Response<B> {
        let status = rejection.status();
        let mut document = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "error": rejection.error(),
        });
        if let (Some(reason), Some(members)) = (rejection.reason(), document.as_object_mut()) {
            members.insert("reason".to_owned(), reason.into());
        }
        let mut response = Response::new(B::from(Bytes::from(document.to_string())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = match rejection {
                Rejection::InsufficientAuthentication(required) => {
                    www_authenticate::step_up(required)
                }
                _ => www_authenticate::SESSION,
            };
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        headers.extend(rejection.retry_after_header());
        response
    }
}

impl RejectionResponse for ProblemDetails {
    fn response(&self, rejection: &Rejection, _request: &Parts) -> Response<Bytes> {
        Self::of(rejection)
    }

    fn applies_to(&self, _method: &Method, _headers: &HeaderMap) -> bool {
        false
    }
}

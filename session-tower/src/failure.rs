//! Requests that get no session, and how they are answered.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use session_core::EndReason;
use session_core::manager::{ManagerError, ManagerErrorKind, TokenError, TokenErrorKind};

/// After how long a store that is away is asked again.
const STORE_AWAY: Duration = Duration::from_secs(1);

/// After how long it may help to try an unreadable session again: somebody must act first.
const UNREADABLE: Duration = Duration::from_secs(60);

/// Why a request gets no session, or no access token.
///
/// ```
/// use session_core::EndReason;
/// use session_tower::Rejection;
///
/// let failure = Rejection::Ended(EndReason::Evicted);
/// assert_eq!((failure.status().as_u16(), failure.reason()), (401, Some("evicted")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The session has ended: 401 with its reason.
    Ended(EndReason),
    /// The policy refuses one more session, for every place is taken: 409.
    LimitReached,
    /// There is no session: 401.
    NoSession,
    /// The session is live, but its access token cannot be renewed without the person: 401.
    SignInNeeded,
    /// The store is away, or no access token can be had now: 503.
    Unavailable {
        /// How long to wait before trying again.
        retry_after: Duration,
    },
    /// The session's tokens do not open: 503; its row and cookie are kept.
    Unreadable,
}

impl Rejection {
    pub(crate) const UNAVAILABLE: Self = Self::Unavailable { retry_after: STORE_AWAY };

    /// The answer's status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Ended(_) | Self::NoSession | Self::SignInNeeded => StatusCode::UNAUTHORIZED,
            Self::LimitReached => StatusCode::CONFLICT,
            Self::Unavailable { .. } | Self::Unreadable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What it is called: `limit_reached`, `unauthenticated`, `unavailable` or `unreadable`.
    #[must_use]
    pub const fn error(&self) -> &'static str {
        match self {
            Self::Ended(_) | Self::NoSession | Self::SignInNeeded => "unauthenticated",
            Self::LimitReached => "limit_reached",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreadable => "unreadable",
        }
    }

    /// Why the person is not signed in, if that is the matter: the end's reason, `no_session` or
    /// `sign_in_needed`.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Ended(reason) => Some(reason.as_str()),
            Self::NoSession => Some("no_session"),
            Self::SignInNeeded => Some("sign_in_needed"),
            Self::LimitReached | Self::Unavailable { .. } | Self::Unreadable => None,
        }
    }

    /// How long to wait before trying again, if that may help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => Some(*retry_after),
            Self::Unreadable => Some(UNREADABLE),
            _ => None,
        }
    }
}

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        match error.kind() {
            TokenErrorKind::Ended(reason) => Self::Ended(reason),
            TokenErrorKind::NotFound => Self::NoSession,
            TokenErrorKind::SignInNeeded => Self::SignInNeeded,
            TokenErrorKind::Unreadable => Self::Unreadable,
            TokenErrorKind::Unavailable { retry_after } => Self::Unavailable { retry_after },
            _ => Self::UNAVAILABLE,
        }
    }
}

impl From<ManagerError> for Rejection {
    fn from(error: ManagerError) -> Self {
        match error.kind() {
            ManagerErrorKind::Ended(reason) => Self::Ended(reason),
            ManagerErrorKind::LimitReached { .. } => Self::LimitReached,
            // A claim that needs a choice has signed nobody in.
            ManagerErrorKind::Ambiguous | ManagerErrorKind::NotFound => Self::NoSession,
            ManagerErrorKind::Unreadable => Self::Unreadable,
            _ => Self::UNAVAILABLE,
        }
    }
}

/// Makes the answer to a request that gets no session. Closures are such makers too:
///
/// ```
/// use http::{Response, request::Parts};
/// use session_tower::{Rejection, RejectionResponse};
///
/// fn is_one<B>(_: &impl RejectionResponse<B>) {}
///
/// is_one(&|failure: &Rejection, _request: &Parts| {
///     let mut response = Response::new(failure.error().to_owned());
///     *response.status_mut() = failure.status();
///     response
/// });
/// ```
pub trait RejectionResponse<B>: Send + Sync + 'static {
    /// The answer to this request, whose body is dropped.
    fn response(&self, failure: &Rejection, request: &Parts) -> Response<B>;
}

impl<B, F> RejectionResponse<B> for F
where
    F: Fn(&Rejection, &Parts) -> Response<B> + Send + Sync + 'static,
{
    fn response(&self, failure: &Rejection, request: &Parts) -> Response<B> {
        self(failure, request)
    }
}

/// Answers with a problem document (RFC 9457): 401 with the reason, or 503 with `Retry-After`.
///
/// Its members are `type`, `title`, `status`, `error` and, at 401, `reason`.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ProblemDetails;

impl ProblemDetails {
    /// The problem document of a failure.
    #[must_use]
    pub fn of<B: From<Bytes>>(failure: &Rejection) -> Response<B> {
        let status = failure.status();
        let mut document = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "error": failure.error(),
        });
        if let (Some(reason), Some(members)) = (failure.reason(), document.as_object_mut()) {
            members.insert("reason".to_owned(), reason.into());
        }
        let mut response = Response::new(B::from(Bytes::from(document.to_string())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = failure.retry_after() {
            // A fraction of a second is rounded up: nobody is invited too early.
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

impl<B: From<Bytes>> RejectionResponse<B> for ProblemDetails {
    fn response(&self, failure: &Rejection, _request: &Parts) -> Response<B> {
        Self::of(failure)
    }
}

/// Sends pages (`GET` and `HEAD`) to a login path, with the reason of an end as `reason` in the
/// query; answers everything else, and a store that is away, with a [`ProblemDetails`].
///
/// ```
/// use session_tower::RedirectToLogin;
///
/// assert!(RedirectToLogin::to("/login").is_ok());
/// assert!(RedirectToLogin::to("//elsewhere.example").is_err());
/// ```
#[derive(Debug, Clone)]
pub struct RedirectToLogin {
    path: String,
}

impl RedirectToLogin {
    /// Redirects to this path of the same site.
    ///
    /// # Errors
    ///
    /// [`InvalidLoginPath`] if it is not one: it must begin with one `/`, and have visible ASCII
    /// characters only and no fragment.
    pub fn to(path: impl Into<String>) -> Result<Self, InvalidLoginPath> {
        let path = path.into();
        let is_local = path.starts_with('/') && !path.starts_with("//");
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\';
        let is_path = is_local && path.bytes().all(is_allowed);
        if is_path { Ok(Self { path }) } else { Err(InvalidLoginPath) }
    }

    fn location(&self, failure: &Rejection) -> Option<HeaderValue> {
        let Rejection::Ended(reason) = failure else {
            return HeaderValue::from_str(&self.path).ok();
        };
        let separator = if self.path.contains('?') { '&' } else { '?' };
        HeaderValue::from_str(&format!("{}{separator}reason={reason}", self.path)).ok()
    }
}

impl<B: From<Bytes>> RejectionResponse<B> for RedirectToLogin {
    fn response(&self, failure: &Rejection, request: &Parts) -> Response<B> {
        let is_page = request.method == Method::GET || request.method == Method::HEAD;
        let is_sign_in = failure.status() == StatusCode::UNAUTHORIZED;
        match self.location(failure).filter(|_| is_page && is_sign_in) {
            None => ProblemDetails::of(failure),
            Some(location) => {
                let mut response = Response::new(B::from(Bytes::new()));
                *response.status_mut() = StatusCode::SEE_OTHER;
                response.headers_mut().insert(LOCATION, location);
                let no_store = HeaderValue::from_static("no-store");
                response.headers_mut().insert(CACHE_CONTROL, no_store);
                response
            }
        }
    }
}

/// A login path that is no path of the same site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("login path must begin with one / and have visible ascii characters only")]
pub struct InvalidLoginPath;

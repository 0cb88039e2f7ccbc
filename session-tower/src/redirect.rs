//! The redirect of unauthenticated navigations to a login path.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, LOCATION, VARY};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::html;
use crate::rejection::{ProblemDetails, Rejection, RejectionResponse};

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What the choice between the redirect and the problem document depends on.
const VARIES_BY: &str = "cookie, accept, sec-fetch-mode, sec-fetch-dest";

/// Redirects unauthenticated navigations to a login path. The path's query gets the reason of an end
/// as `reason`, the `max_age` and the `acr_values` of a required authentication, and the path and query
/// of the request as `return_to`.
///
/// A navigation is a `GET` or `HEAD` of a browser for a page, by `Accept` and, where it is sent,
/// `Sec-Fetch-Mode` and `Sec-Fetch-Dest`. Where it is rejected with another status than 401, such as
/// 503, a short page says so. Programs, scripts and other methods are answered with a
/// [`ProblemDetails`].
///
/// # Security
///
/// The client can change `return_to`: redirect to it after the login only if
/// [`is_local`](Self::is_local) holds.
///
/// ```
/// use http::{Request, Response};
/// use session_core::EndReason;
/// use session_tower::{RedirectToLogin, Rejection, RejectionResponse};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redirect = RedirectToLogin::to("/login")?;
/// let page = Request::get("/devices?sort=name").header("accept", "text/html").body(())?;
/// let (page, ()) = page.into_parts();
/// let rejection = Rejection::Ended(EndReason::Evicted);
/// let response = redirect.response(&rejection, &page);
/// assert_eq!(response.status(), 303);
/// let location = "/login?reason=evicted&return_to=%2Fdevices%3Fsort%3Dname";
/// assert_eq!(response.headers()["location"], location);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RedirectToLogin {
    path: String,
}

impl RedirectToLogin {
    /// Creates a redirect to this path of the same site, which may have a query.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidLoginPath`] unless the path begins with exactly one `/` and has only visible
    /// ASCII characters, no backslash and no fragment.
    ///
    /// ```
    /// use session_tower::RedirectToLogin;
    ///
    /// assert!(RedirectToLogin::to("/login?from=app").is_ok());
    /// assert!(RedirectToLogin::to("//elsewhere.example").is_err());
    /// ```
    pub fn to(path: impl Into<String>) -> Result<Self, InvalidLoginPath> {
        let path = path.into();
        if Self::is_local(&path) { Ok(Self { path }) } else { Err(InvalidLoginPath) }
    }

    /// Returns whether this is a path of the same site, to which a browser may be redirected: it
    /// begins with exactly one `/` and has only visible ASCII characters, no backslash and no
    /// fragment.
    ///
    /// ```
    /// use session_tower::RedirectToLogin;
    ///
    /// assert!(RedirectToLogin::is_local("/devices?sort=name"));
    /// for elsewhere in ["//elsewhere.example", "/\\elsewhere.example", "/\t/a", "https://a.example"] {
    ///     assert!(!RedirectToLogin::is_local(elsewhere));
    /// }
    /// ```
    #[must_use]
    pub fn is_local(path: &str) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\';
        path.starts_with('/') && !path.starts_with("//") && path.bytes().all(is_allowed)
    }

    /// Returns the path.
    #[cfg(feature = "sign-in")]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn location(&self, rejection: &Rejection, request: &Parts) -> Option<HeaderValue> {
        let mut location = self.path.clone();
        let mut add = |name: &str, value: &str| {
            location.push(if location.contains('?') { '&' } else { '?' });
            location.extend([name, "=", value]);
        };
        if let Rejection::Ended(reason) = rejection {
            add("reason", reason.as_str());
        }
        if let Rejection::InsufficientAuthentication(required) = rejection {
            if let Some(max_age) = required.max_age() {
                add("max_age", &max_age.as_secs().to_string());
            }
            if let Some(values) = required.acr_values() {
                add("acr_values", &percent_encoded(&values));
            }
        }
        let path = request.uri.path_and_query().map(PathAndQuery::as_str);
        if let Some(path) = path.filter(|path| Self::is_local(path)) {
            add("return_to", &percent_encoded(path));
        }
        HeaderValue::try_from(location).ok()
    }
}

impl RejectionResponse for RedirectToLogin {
    fn response(&self, rejection: &Rejection, request: &Parts) -> Response<Bytes> {
        let is_navigation = is_navigation(&request.method, &request.headers);
        let is_redirected = rejection.status() == StatusCode::UNAUTHORIZED && is_navigation;
        let location = is_redirected.then(|| self.location(rejection, request)).flatten();
        let mut response = match location {
            None if is_navigation && !is_redirected => page(rejection),
            None => ProblemDetails::of(rejection),
            Some(location) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::SEE_OTHER;
                response.headers_mut().insert(LOCATION, location);
                let no_store = HeaderValue::from_static("no-store");
                response.headers_mut().insert(CACHE_CONTROL, no_store);
                response
            }
        };
        response.headers_mut().insert(VARY, HeaderValue::from_static(VARIES_BY));
        response
    }

    fn applies_to(&self, method: &Method, headers: &HeaderMap) -> bool {
        is_navigation(method, headers)
    }
}

/// Says to a person why a page cannot be shown.
fn page(rejection: &Rejection) -> Response<Bytes> {
    let message = match rejection {
        Rejection::Unavailable { .. } => "This is not possible right now. Please try again.",
        Rejection::Unreadable => "Your sign-in cannot be read right now. Please try again later.",
        Rejection::BadGateway => "Another service did not answer. Please try again.",
        Rejection::LimitReached => "You are signed in on too many devices.",
        Rejection::NotFound => "There is no such session.",
        _ => "This page does not work. Please tell the operator.",
    };
    let html = format!("<p role=\"alert\">{message}</p>");
    let mut response = html::page(rejection.status(), "en", "That did not work", &html);
    response.headers_mut().extend(rejection.retry_after_header());
    response
}

/// Returns whether a browser asks for a page to show it.
fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let is_absent_or = |name: &HeaderName, value: &str| {
        headers.get(name).is_none_or(|sent| sent.as_bytes() == value.as_bytes())
    };
    (method == Method::GET || method == Method::HEAD)
        && accepts_pages(headers)
        && is_absent_or(&SEC_FETCH_MODE, "navigate")
        && is_absent_or(&SEC_FETCH_DEST, "document")
}

pub(crate) fn accepts_pages(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    accepted.flat_map(|accept| accept.split(',')).any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        ["text/html", "application/xhtml+xml"].iter().any(|page| kind.eq_ignore_ascii_case(page))
    })
}

/// Encodes a query parameter's value: all but the unreserved characters (RFC 3986, section 2.3).
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The error of a login path that is not a path of the same site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "login path must begin with exactly one / and have only visible ascii characters other than # and \\"
)]
#[non_exhaustive]
pub struct InvalidLoginPath;

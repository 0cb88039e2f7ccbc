//! Requests that a browser sends without a cookie to learn whether it may send another one.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{Method, Request};

/// Returns whether this is a preflight. A browser sends no cookie with it (Fetch, section 3.3), and
/// its request fails if the preflight does.
pub(crate) fn is_preflight<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

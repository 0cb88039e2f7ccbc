//! The answer of a ready-made route that cannot do what a browser came for.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::html::escaped;
use crate::redirect::accepts_pages;

/// The `Retry-After` of what may succeed later.
const RETRY_SECONDS: u64 = 5;

/// What is said: as a plain page to a browser that shows one, otherwise as a problem document.
pub(crate) struct FailurePage<'a> {
    /// The heading of the page.
    pub(crate) heading: &'static str,
    pub(crate) status: StatusCode,
    /// The error code, for programs.
    pub(crate) code: &'static str,
    /// What the user is told.
    pub(crate) message: &'a str,
    /// The error and its causes, in development.
    pub(crate) detail: Option<String>,
    /// The number of the user's sessions, if the cap is reached.
    pub(crate) live: Option<usize>,
}

impl FailurePage<'_> {
    pub(crate) fn response(self, headers: &HeaderMap) -> Response<Bytes> {
        let status = self.status;
        let (kind, body) = match accepts_pages(headers) {
            true => ("text/html; charset=utf-8", self.page()),
            false => ("application/problem+json", self.problem()),
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        response
    }

    fn problem(self) -> String {
        let mut problem = serde_json::json!({
            "type": "about:blank",
            "title": self.message,
            "status": self.status.as_u16(),
            "error": self.code,
        });
        if let Some(members) = problem.as_object_mut() {
            members.extend(self.live.map(|live| ("live".to_owned(), live.into())));
            members.extend(self.detail.map(|detail| ("detail".to_owned(), detail.into())));
        }
        problem.to_string()
    }

    fn page(self) -> String {
        let (heading, message) = (self.heading, escaped(self.message));
        let detail = self.detail.map(|detail| format!("<pre>{}</pre>", escaped(&detail)));
        let detail = detail.unwrap_or_default();
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{heading}</title><main><h1>{heading}</h1>\
             <p role=\"alert\">{message}</p>{detail}</main></html>"
        )
    }
}

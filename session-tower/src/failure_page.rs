//! The answer of a ready-made route that cannot do what a browser came for.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::html::{self, escaped};
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
        let mut response = match accepts_pages(headers) {
            true => self.page(),
            false => self.problem(),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        response
    }

    fn problem(self) -> Response<Bytes> {
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
        let mut response = Response::new(Bytes::from(problem.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn page(self) -> Response<Bytes> {
        let detail = self.detail.map(|detail| format!("<pre>{}</pre>", escaped(&detail)));
        let (message, detail) = (escaped(self.message), detail.unwrap_or_default());
        let html = format!("<p role=\"alert\">{message}</p>{detail}");
        html::page(self.status, "en", self.heading, &html)
    }
}

//! Text in HTML, and the document around it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

/// A page loads nothing. A form's redirect may lead to a provider, so `form-action` is not set.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
body{max-width:40rem;margin:2rem auto;padding:0 1rem}ul{list-style:none;padding:0}\
li{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;padding:.75rem 0;\
border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent)}\
li>div{flex:1 1 16rem}small{display:block}button{font:inherit;padding:.4rem .8rem}\
em{font-style:normal;font-weight:normal;border:1px solid;border-radius:1rem;padding:0 .5rem}";

/// Escapes a text for the content of an element, and for an attribute in double quotes.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Answers with a page: the title, which is escaped here and is the heading as well, and below it
/// this HTML.
pub(crate) fn page(status: StatusCode, language: &str, title: &str, html: &str) -> Response<Bytes> {
    let (language, title) = (escaped(language), escaped(title));
    let document = format!(
        "<!doctype html><html lang=\"{language}\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <main><h1>{title}</h1>{html}</main></html>"
    );
    let mut response = Response::new(Bytes::from(document));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

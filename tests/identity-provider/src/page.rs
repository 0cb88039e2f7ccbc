//! HTML pages.

use std::fmt::Write as _;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem}\
input,button{font:inherit;padding:.5rem;margin:.25rem 0;width:100%;box-sizing:border-box}\
.error{color:#a00}";

/// No scripts, no frames, nothing from other origins. `form-action` is left open, because browsers
/// apply it to the redirect back to the client.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// Builds a page around a body of HTML, which must be escaped.
pub(crate) fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    );
    (status, HEADERS, Html(html)).into_response()
}

/// Builds a page with one paragraph of plain text.
pub(crate) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p>", escape(text)))
}

/// Builds the form that carries an answer to the client (OAuth 2.0 Form Post Response Mode). Without
/// a script, so the user sends it.
pub(crate) fn form_post<'a>(
    redirect_uri: &str,
    answer: impl Iterator<Item = (&'a str, &'a str)>,
) -> Response {
    let field = |(name, value): (&str, &str)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
    };
    let fields: String = answer.map(field).collect();
    let action = escape(redirect_uri);
    page(
        StatusCode::OK,
        "Signed in",
        &format!(
            "<form method=\"post\" action=\"{action}\">{fields}\
             <button type=\"submit\">Continue</button></form>"
        ),
    )
}

/// Escapes text for an element or a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn markup_and_quotes_are_escaped() {
        assert_eq!(escape("<a b='\"'>&é"), "&#60;a b=&#39;&#34;&#39;&#62;&#38;é");
    }
}

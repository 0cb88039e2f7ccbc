//! The application's own pages. They work without scripts, by links and forms only.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

/// Builds the document around a title and a body, which are HTML.
pub(crate) fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
}

/// Builds the document around the list of devices.
pub(crate) fn devices(title: &str, list: &str) -> String {
    let tool = "<p><a class=\"button\" href=\"/api/tool\">Call the tool</a></p>";
    document(title, &format!("{list}\n{tool}"))
}

/// Builds the page for a device that is not signed in.
pub(crate) fn signed_out(offers_names: bool) -> Response {
    let names = if offers_names { NAMES } else { "" };
    let sign_in = "<p>You are not signed in on this device.</p>\n\
                   <p><a class=\"button\" href=\"/login\">Sign in</a></p>\n";
    (StatusCode::OK, Html(document("Your devices", &format!("{sign_in}{names}")))).into_response()
}

/// The built-in provider accepts any name.
const NAMES: &str = "<p class=\"hint\">The built-in identity provider asks for no password: sign in as \
     <a href=\"/login?login_hint=alice\">alice</a>, \
     <a href=\"/login?login_hint=bob\">bob</a>, or any other name.</p>\n";

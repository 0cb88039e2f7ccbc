//! The pages. They work without scripts, by links and forms only.

mod devices;
mod html;
mod time;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use session_core::EndReason;

pub(crate) use devices::devices;

use crate::error_response::ErrorResponse;
use html::escaped;

/// Builds the document around a body.
fn document<B: From<String>>(status: StatusCode, title: &str, body: &str) -> Response<B> {
    let title = escaped(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    );
    let mut response = Response::new(B::from(html));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Builds the page for a device that is not signed in, with the reason if there is one.
pub(crate) fn signed_out(ended: Option<EndReason>, offers_names: bool) -> Response {
    let notice = ended.map(why).map_or_else(String::new, |why| {
        format!("<p class=\"notice\" role=\"status\">{}</p>\n", escaped(why))
    });
    let names = if offers_names { NAMES } else { "" };
    let body = format!(
        "{notice}<p>You are not signed in on this device.</p>\n\
         <p><a class=\"button\" href=\"/login\">Sign in</a></p>\n{names}"
    );
    document(StatusCode::OK, "Your devices", &body)
}

/// The built-in provider accepts any name.
const NAMES: &str = "<p class=\"hint\">The built-in identity provider asks for no password: sign in as \
     <a href=\"/login?login_hint=alice\">alice</a>, \
     <a href=\"/login?login_hint=bob\">bob</a>, or any other name.</p>\n";

/// Explains to the user why a session ended.
fn why(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Absolute => "You were signed out because you signed in a long time ago.",
        EndReason::Evicted => {
            "You were signed out here because you signed in on another device and reached the \
             maximum number of devices."
        }
        EndReason::Idle => "You were signed out because this device was not used for a long time.",
        EndReason::ProviderLogout => {
            "You were signed out because you signed out at the identity provider."
        }
        EndReason::RenewalRefused => {
            "You were signed out because the identity provider did not renew your sign-in."
        }
        EndReason::Replaced => "This connection was replaced by a newer one.",
        EndReason::RevokedByAdmin => "You were signed out by an administrator.",
        EndReason::RevokedByUser => "You were signed out here from another of your devices.",
        EndReason::SignedOut => "You have signed out.",
        EndReason::Superseded => "You signed in again in this browser.",
        _ => "You were signed out.",
    }
}

/// Builds the page for an error.
pub(crate) fn error<B: From<String>>(error: &ErrorResponse) -> Response<B> {
    let mut response = notice(error.status(), error.message);
    if let Some((name, value)) = error.retry_after() {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Builds the page that says why something did not work.
pub(crate) fn notice<B: From<String>>(status: StatusCode, message: &str) -> Response<B> {
    let body = format!(
        "<p class=\"notice\" role=\"alert\">{}</p>\n\
         <p><a class=\"button\" href=\"/login\">Try again</a> <a href=\"/\">Back</a></p>\n",
        escaped(message)
    );
    document(status, "That did not work", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> String {
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_evicted_device_shows_the_reason() {
        let page = text(signed_out(Some(EndReason::Evicted), true)).await;
        assert!(page.contains("maximum number of devices"));
        assert!(page.contains("/login?login_hint=alice"));
        let page = text(signed_out(None, false)).await;
        assert!(!page.contains("notice") && !page.contains("alice"));
    }

    #[test]
    fn each_reason_has_its_own_message() {
        let words: std::collections::HashSet<_> = EndReason::ALL.map(why).into();
        assert_eq!(words.len(), EndReason::ALL.len());
        assert!(!words.contains("You were signed out."));
    }
}

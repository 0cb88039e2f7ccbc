//! The page "Your devices".

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;
use session_core::manager::ListedSession;
use session_core::{Timestamp, UserId};

use super::document;
use super::html::escaped;
use super::time::moment;

/// Builds the list of the user's devices, with a sign-out button for each.
pub(crate) fn devices(user: &UserId, listed: &[ListedSession], now: Timestamp) -> Response {
    let mut items = String::new();
    for device in listed {
        // Writing to a string cannot fail.
        let _ = writeln!(items, "{}", item(device, now));
    }
    let others = if listed.len() > 1 { OTHERS } else { "" };
    let body = format!(
        "<p>Signed in as <strong>{}</strong>. Each device signs in and out separately.</p>\n\
         <ul class=\"devices\">\n{items}</ul>\n\
         <div class=\"actions\">\n\
         <a class=\"button\" href=\"/api/tool\">Call the tool</a>\n{others}\
         <form method=\"post\" action=\"/logout\"><button type=\"submit\">Sign out</button></form>\n\
         </div>\n",
        escaped(user.as_str())
    );
    document(StatusCode::OK, "Your devices", &body)
}

const OTHERS: &str = "<form method=\"post\" action=\"/sessions/end-others\">\
     <button type=\"submit\" class=\"danger\">Sign out everywhere else</button></form>\n";

fn item(listed: &ListedSession, now: Timestamp) -> String {
    let session = &listed.session;
    let device = escaped(session.device.as_str());
    let (class, badge) = match listed.is_current {
        true => {
            (" class=\"current\" aria-current=\"true\"", "<span class=\"badge\">this device</span>")
        }
        false => ("", ""),
    };
    let button = match listed.is_current {
        true => String::new(),
        false => format!(
            "<form method=\"post\" action=\"/sessions/{}/end\">\
             <button type=\"submit\" aria-label=\"Sign out {device}\">Sign out</button></form>",
            session.id
        ),
    };
    format!(
        "<li{class}><div><h2>{device} {badge}</h2>\
         <p>Signed in {}, last used {}, by {}</p></div>{button}</li>",
        moment(session.created_at, now),
        moment(session.last_seen_at, now),
        escaped(session.provider.as_str()),
    )
}

//! The list of sessions in HTML, for the page of devices and for the choice at a full cap.

use bytes::Bytes;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Response, StatusCode};
use session_core::manager::ListedSession;
use session_core::session::Origin;
use session_core::{Session, Timestamp, UserId};

use super::live::{self, LIVE_SCRIPT};
use super::text::DevicesText;
use crate::html::{self, escaped};

/// What is shown.
pub(super) struct View<'a> {
    pub(super) text: &'a DevicesText,
    pub(super) user: &'a UserId,
    pub(super) sessions: &'a [ListedSession],
    pub(super) logout_path: &'a str,
    pub(super) now: Timestamp,
}

/// A form of one button.
pub(crate) struct Button<'a> {
    /// The address that it is sent to; empty for the page's own.
    pub(crate) path: &'a str,
    /// The value of the form's field `end`.
    pub(crate) end: &'a str,
    /// What it says, and more fully to those who do not see where it stands.
    pub(crate) says: &'a str,
    pub(crate) label: &'a str,
    /// Further fields, as HTML.
    pub(crate) fields: &'a str,
}

impl View<'_> {
    pub(super) fn page(&self) -> Response<Bytes> {
        let html = format!("{}<script>{LIVE_SCRIPT}</script>", self.content());
        let mut page = html::page(StatusCode::OK, &self.text.language, &self.text.title, &html);
        let policy = HeaderValue::from_static(live::POLICY);
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        page
    }

    /// Returns what stands below the heading.
    pub(super) fn content(&self) -> String {
        let text = self.text;
        let is_tool = |listed: &&ListedSession| listed.session.origin == Origin::Connection;
        let (tools, devices): (Vec<_>, Vec<_>) = self.sessions.iter().partition(is_tool);
        let items: String = devices.iter().map(|listed| self.item(listed)).collect();
        let others = match devices.len() {
            0 | 1 => String::new(),
            _ => Button::own("others", &text.sign_out_others, &text.sign_out_others).form(),
        };
        let (user, tools) = (escaped(self.user.as_str()), self.tools(&tools));
        let (over, sign_in) = (escaped(&text.signed_out), escaped(&text.sign_in_again));
        format!(
            "<p>{user}</p><div id=\"user-sessions\" data-over=\"{over}\" data-sign-in=\"{sign_in}\"><ul class=\"devices\">{items}</ul>{others}{tools}\
             </div>"
        )
    }

    fn item(&self, listed: &ListedSession) -> String {
        let (text, session) = (self.text, &listed.session);
        let (id, label) = (session.id.to_string(), device_label(text, session, self.now));
        let mark = format!(" <em>{}</em>", escaped(&text.this_device));
        let (path, end, mark) = match listed.is_current {
            true => (self.logout_path, "", &*mark),
            false => ("", &*id, ""),
        };
        let button = Button { path, end, says: &text.sign_out, label: &label, fields: "" };
        device_item(text, session, self.now, mark, &button)
    }

    /// Shows the connections to tool servers apart: they are no devices, and end one by one (F23).
    fn tools(&self, tools: &[&ListedSession]) -> String {
        if tools.is_empty() {
            return String::new();
        }
        let items: String = tools.iter().map(|listed| self.tool(listed)).collect();
        let heading = escaped(&self.text.connected_tools);
        let stay = escaped(&self.text.tools_stay);
        format!("<h2>{heading}</h2><p>{stay}</p><ul class=\"tools\">{items}</ul>")
    }

    fn tool(&self, listed: &ListedSession) -> String {
        let (text, session) = (self.text, &listed.session);
        let name = (text.tool_name)(session.provider.as_str());
        let connected = moment(text, &text.connected, session.created_at, self.now);
        let last_used = moment(text, &text.last_used, session.last_seen_at, self.now);
        let label = format!("{}: {name}", text.disconnect);
        let button = Button::own(&session.id.to_string(), &text.disconnect, &label).form();
        let (name, provider) = (escaped(&name), escaped(session.provider.as_str()));
        format!(
            "<li><div><strong>{name}</strong><small>{provider} · {connected} · {last_used}\
             </small></div>{button}</li>"
        )
    }
}

/// Shows a device: its name, a mark (HTML), its provider and times, and the button that ends it.
pub(crate) fn device_item(
    text: &DevicesText,
    session: &Session,
    now: Timestamp,
    mark: &str,
    button: &Button<'_>,
) -> String {
    let signed_in = moment(text, &text.signed_in, session.created_at, now);
    let last_seen = moment(text, &text.last_seen, session.last_seen_at, now);
    let (name, provider) = (escaped(name_of(text, session)), escaped(session.provider.as_str()));
    let current = if mark.is_empty() { "" } else { " aria-current=\"true\"" };
    let button = button.form();
    format!(
        "<li{current}><div><strong>{name}</strong>{mark}<small>{provider} · {signed_in} · \
         {last_seen}</small></div>{button}</li>"
    )
}

/// Returns what a device's button says to those who hear it: two devices of one name are told apart
/// by the times.
pub(crate) fn device_label(text: &DevicesText, session: &Session, now: Timestamp) -> String {
    let (name, ago) = (name_of(text, session), (text.ago)(now.since(session.created_at)));
    format!("{}: {name}, {} {ago}", text.sign_out, text.signed_in)
}

fn name_of<'a>(text: &'a DevicesText, session: &'a Session) -> &'a str {
    match session.device.as_str() {
        "" => &text.unknown_device,
        name => name,
    }
}

fn moment(text: &DevicesText, what: &str, at: Timestamp, now: Timestamp) -> String {
    let ago = escaped(&(text.ago)(now.since(at)));
    format!("{} <time datetime=\"{at}\" title=\"{at}\">{ago}</time>", escaped(what))
}

impl<'a> Button<'a> {
    /// Returns a button of a form that is sent to the page's own address.
    const fn own(end: &'a str, says: &'a str, label: &'a str) -> Self {
        Self { path: "", end, says, label, fields: "" }
    }

    pub(crate) fn form(&self) -> String {
        let action = match self.path {
            "" => String::new(),
            path => format!(" action=\"{}\"", escaped(path)),
        };
        let (end, says, label) = (escaped(self.end), escaped(self.says), escaped(self.label));
        let fields = self.fields;
        format!(
            "<form method=\"post\"{action}>{fields}<button name=\"end\" value=\"{end}\" \
             aria-label=\"{label}\">{says}</button></form>"
        )
    }
}

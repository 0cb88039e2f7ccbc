//! The page's HTML.

use std::fmt::Write as _;

use session_core::manager::ListedSession;
use session_core::session::Origin;
use session_core::{Timestamp, UserId};

use super::text::DevicesText;
use crate::html::escaped;

const STYLE: &str = ":root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
body{max-width:40rem;margin:2rem auto;padding:0 1rem}ul{list-style:none;padding:0}\
li{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;padding:.75rem 0;\
border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent)}\
li>div{flex:1 1 16rem}small{display:block}button{font:inherit;padding:.4rem .8rem}\
em{font-style:normal;font-weight:normal;border:1px solid;border-radius:1rem;padding:0 .5rem}";

/// What is shown.
pub(super) struct View<'a> {
    pub(super) text: &'a DevicesText,
    pub(super) user: &'a UserId,
    pub(super) sessions: &'a [ListedSession],
    pub(super) logout_path: &'a str,
    pub(super) now: Timestamp,
}

impl View<'_> {
    pub(super) fn page(&self) -> String {
        let text = self.text;
        let title = escaped(&text.title);
        let is_tool = |listed: &&ListedSession| listed.session.origin == Origin::Connection;
        let (tools, devices): (Vec<_>, Vec<_>) = self.sessions.iter().partition(is_tool);
        let items: String = devices.iter().map(|listed| self.item(listed)).collect();
        let others = match devices.len() {
            0 | 1 => String::new(),
            _ => form("", "others", &text.sign_out_others, &text.sign_out_others),
        };
        let tools = self.tools(&tools);
        let language = escaped(&text.language);
        let user = escaped(self.user.as_str());
        format!(
            "<!doctype html><html lang=\"{language}\"><meta charset=\"utf-8\"><meta \
             name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <style>{STYLE}</style><main><h1>{title}</h1><p>{user}</p><ul>{items}</ul>{others}\
             {tools}</main></html>"
        )
    }

    /// Shows the connections to tool servers apart: they are no devices, and end one by one (F23).
    fn tools(&self, tools: &[&ListedSession]) -> String {
        if tools.is_empty() {
            return String::new();
        }
        let items: String = tools.iter().map(|listed| self.tool(listed)).collect();
        let heading = escaped(&self.text.connected_tools);
        let stay = escaped(&self.text.tools_stay);
        format!("<h2>{heading}</h2><p>{stay}</p><ul>{items}</ul>")
    }

    fn tool(&self, listed: &ListedSession) -> String {
        let (text, session) = (self.text, &listed.session);
        let name = (text.tool_name)(session.provider.as_str());
        let connected = self.moment(&text.connected, session.created_at);
        let last_used = self.moment(&text.last_used, session.last_seen_at);
        let label = format!("{}: {name}", text.disconnect);
        let button = form("", &session.id.to_string(), &text.disconnect, &label);
        let (name, provider) = (escaped(&name), escaped(session.provider.as_str()));
        format!(
            "<li><div><strong>{name}</strong><small>{provider} · {connected} · {last_used}\
             </small></div>{button}</li>"
        )
    }

    fn item(&self, listed: &ListedSession) -> String {
        let (text, session) = (self.text, &listed.session);
        let name = match session.device.as_str() {
            "" => &text.unknown_device,
            name => name,
        };
        let mark = match listed.is_current {
            true => format!(" <em>{}</em>", escaped(&text.this_device)),
            false => String::new(),
        };
        let signed_in = self.moment(&text.signed_in, session.created_at);
        let last_seen = self.moment(&text.last_seen, session.last_seen_at);
        // Two devices of one name are told apart by the times.
        let label = format!(
            "{}: {name}, {} {}",
            text.sign_out,
            text.signed_in,
            (text.ago)(self.now.since(session.created_at))
        );
        let button = match listed.is_current {
            true => form(self.logout_path, "", &text.sign_out, &label),
            false => form("", &session.id.to_string(), &text.sign_out, &label),
        };
        let (name, provider) = (escaped(name), escaped(session.provider.as_str()));
        format!(
            "<li><div><strong>{name}</strong>{mark}<small>{provider} · {signed_in} · {last_seen}\
             </small></div>{button}</li>"
        )
    }

    fn moment(&self, what: &str, at: Timestamp) -> String {
        let ago = escaped(&(self.text.ago)(self.now.since(at)));
        format!("{} <time datetime=\"{at}\" title=\"{at}\">{ago}</time>", escaped(what))
    }
}

/// Builds a form of one button; without a path it is sent to the page's own address.
fn form(path: &str, end: &str, button: &str, label: &str) -> String {
    let (button, label) = (escaped(button), escaped(label));
    let mut html = "<form method=\"post\"".to_owned();
    if !path.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(html, " action=\"{}\"", escaped(path));
    }
    let _ = write!(
        html,
        "><button name=\"end\" value=\"{}\" aria-label=\"{label}\">{button}</button></form>",
        escaped(end)
    );
    html
}

//! What the page says, which an application may say in another language.

use std::time::Duration;

/// The texts of a [`DevicesPage`](super::DevicesPage): English ones by default. None is HTML; all are
/// escaped.
///
/// ```
/// use session_tower::devices::DevicesText;
///
/// let mut text = DevicesText::default();
/// text.sign_out = "Abmelden".to_owned();
/// text.ago = |span| format!("vor {} min", span.as_secs() / 60);
/// assert_eq!((text.ago)(std::time::Duration::from_secs(90)), "vor 1 min");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DevicesText {
    /// The language of the texts, such as `en`.
    pub language: String,
    /// The heading.
    pub title: String,
    /// Marks the device that shows the page.
    pub this_device: String,
    /// The name of a device that has none.
    pub unknown_device: String,
    /// Stands before the time of the sign-in.
    pub signed_in: String,
    /// Stands before the time of the last use.
    pub last_seen: String,
    /// The button that ends one session, or this one.
    pub sign_out: String,
    /// The button that ends the sessions of all other devices.
    pub sign_out_others: String,
    /// Says that this device's session is over, on a page that was open meanwhile.
    pub signed_out: String,
    /// The link from there to the sign-in.
    pub sign_in_again: String,
    /// The heading of the connections to tool servers.
    pub connected_tools: String,
    /// Stands before the time at which a tool was connected.
    pub connected: String,
    /// Stands before the time of a tool's last use.
    pub last_used: String,
    /// The button that ends one connection.
    pub disconnect: String,
    /// Says that signing out the other devices ends no connection.
    pub tools_stay: String,
    /// Returns the name of a tool, from that of its provider.
    pub tool_name: fn(&str) -> String,
    /// Says how long ago something was.
    pub ago: fn(Duration) -> String,
}

impl Default for DevicesText {
    fn default() -> Self {
        Self {
            language: "en".to_owned(),
            title: "Your devices".to_owned(),
            this_device: "this device".to_owned(),
            unknown_device: "Unknown device".to_owned(),
            signed_in: "signed in".to_owned(),
            last_seen: "last seen".to_owned(),
            sign_out: "Sign out".to_owned(),
            sign_out_others: "Sign out all other devices".to_owned(),
            signed_out: "This device was signed out.".to_owned(),
            sign_in_again: "Sign in again".to_owned(),
            connected_tools: "Connected tools".to_owned(),
            connected: "connected".to_owned(),
            last_used: "last used".to_owned(),
            disconnect: "Disconnect".to_owned(),
            tools_stay: "All your devices use them. Signing out does not disconnect them."
                .to_owned(),
            tool_name,
            ago,
        }
    }
}

/// Returns what follows the prefix of a provider's name: `files` of `mcp:files`.
fn tool_name(provider: &str) -> String {
    let (_, name) = provider.split_once(':').unwrap_or(("", provider));
    name.to_owned()
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Says how long ago something was, in the largest unit that fits.
fn ago(span: Duration) -> String {
    let seconds = span.as_secs();
    let (number, unit) = match seconds {
        0..MINUTE => return "just now".to_owned(),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        _ => (seconds / DAY, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_largest_unit_that_fits() {
        let says = |seconds| ago(Duration::from_secs(seconds));
        assert_eq!(says(59), "just now");
        assert_eq!(says(60), "1 minute ago");
        assert_eq!(says(2 * HOUR), "2 hours ago");
        assert_eq!(says(3 * DAY), "3 days ago");
    }
}

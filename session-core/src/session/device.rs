//! The label by which a user recognises a device.

use std::fmt;

/// A label by which a user recognises a device in a list, such as `Firefox on Linux`.
///
/// It is a hint and nothing is decided by it, since a browser can send any `User-Agent`.
///
/// ```
/// use session_core::session::DeviceLabel;
///
/// let label = DeviceLabel::from_user_agent(
///     "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
/// );
/// assert_eq!(label.as_str(), "Firefox on Linux");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DeviceLabel(String);

/// The maximum length of a label, in characters.
const MAX_LABEL: usize = 120;

/// A part of a `User-Agent`, and the common name of the browser. The order matters, since most
/// browsers also name the browsers that they derive from.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

impl DeviceLabel {
    /// Creates a label from a text, without its control characters and cut to 120 characters.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim().chars().filter(|c| !c.is_control());
        Self(text.take(MAX_LABEL).collect())
    }

    /// Creates a short label from a `User-Agent` header: browser and system, as far as known.
    #[must_use]
    pub fn from_user_agent(user_agent: &str) -> Self {
        let name_of = |known: &[(&'static str, &'static str)]| {
            known.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
        };
        match (name_of(&BROWSERS), name_of(&SYSTEMS)) {
            (Some(browser), Some(system)) => Self(format!("{browser} on {system}")),
            (Some(name), None) | (None, Some(name)) => Self(name.to_owned()),
            (None, None) => Self::new(user_agent.split(['/', ' ']).next().unwrap_or_default()),
        }
    }

    /// Returns the text.
    ///
    /// # Security
    ///
    /// It comes from outside: escape it where it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for DeviceLabel {
    fn default() -> Self {
        Self("Unknown device".to_owned())
    }
}

impl fmt::Display for DeviceLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceLabel({:?})", self.0)
    }
}

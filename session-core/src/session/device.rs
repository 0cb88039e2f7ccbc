//! What a person recognises a device by.

use std::fmt;

/// A label by which a person recognises a device in a list, such as `Firefox on Linux`.
///
/// It is a hint for people and decides nothing: a browser can send any `User-Agent`.
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

/// The longest label, in characters.
const LONGEST_LABEL: usize = 120;

/// What a `User-Agent` contains, and what people call it. Order matters: most browsers also name
/// those that they descend from.
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
    /// The label with this text; control characters are dropped, and what is too long is cut.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.trim().chars().filter(|c| !c.is_control());
        Self(text.take(LONGEST_LABEL).collect())
    }

    /// A short label for a `User-Agent` header: browser and system, as far as they are known.
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

    /// The label's text; it comes from outside, so escape it where it is shown.
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

//! When and how a user authenticated at the provider.

use super::id::is_name;
use crate::clock::Timestamp;

/// When and how a user authenticated at the provider, as a verified ID token says (OpenID Connect
/// Core, section 2).
///
/// [`policy::authentication`](crate::policy::authentication) decides whether that is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Authentication {
    /// When (`auth_time`).
    pub at: Option<Timestamp>,
    /// At which level (`acr`).
    pub acr: Option<String>,
    /// By which methods (`amr`, RFC 8176).
    pub amr: Vec<String>,
}

/// The maximum length of all methods together, in bytes.
const MAX_METHODS: usize = 255;

impl Authentication {
    /// Removes values that no column can hold: an unusual `acr` must not keep users from signing in.
    pub(crate) fn storable(mut self) -> Self {
        self.acr = self.acr.filter(|acr| is_name(acr));
        self.amr.retain(|method| is_name(method) && !method.contains(char::is_whitespace));
        while self.amr.join(" ").len() > MAX_METHODS {
            self.amr.pop();
        }
        self
    }

    /// Returns the methods, separated by spaces, as they are stored.
    #[cfg(feature = "sea-orm")]
    pub(crate) fn methods_text(&self) -> Option<String> {
        (!self.amr.is_empty()).then(|| self.amr.join(" "))
    }

    /// Parses the methods as they are stored.
    #[cfg(feature = "sea-orm")]
    pub(crate) fn methods_in(text: Option<&str>) -> Vec<String> {
        text.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }
}

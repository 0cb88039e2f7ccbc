//! The session cookie: its name and attributes, and how it is written.

mod builder;
mod presented;

use std::time::Duration;

use ::cookie::Cookie;
use ::cookie::time::{Duration as Span, OffsetDateTime};
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use session_core::{SessionSecret, Timestamp};

pub use builder::{CookieBuilder, CookieError};
pub(crate) use presented::{Candidate, Presented};

const DEFAULT_NAME: &str = "__Host-session";

/// The longest `Max-Age` that browsers keep to: 400 days (RFC 6265bis, section 5.5; C5).
const LONGEST_MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The session cookie's name and attributes: all that a browser needs to know of a session.
///
/// `__Host-session`, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/` and no `Domain` by default
/// (C1, C2, C3).
///
/// ```
/// use session_tower::SessionCookie;
///
/// assert_eq!(SessionCookie::default().name(), "__Host-session");
/// let error = SessionCookie::builder().name("no spaces").build().unwrap_err();
/// assert_eq!(error.field(), "name");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCookie {
    name: String,
    path: String,
    same_site: SameSite,
    is_secure: bool,
    legacy: Option<LegacyFormat>,
}

/// On which cross-site requests the browser sends the cookie (C3; there is no `None`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SameSite {
    /// On navigations only: the return from a provider's login page arrives with the cookie.
    #[default]
    Lax,
    /// On none: the return from a provider's login page arrives without the cookie.
    Strict,
}

/// The form of another system's cookie values, which are accepted until their first use.
///
/// A value of this form is looked up by its digest like any other, and its session gets a new
/// secret at the first use.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum LegacyFormat {
    /// A UUID in its canonical form: lower case, with hyphens (RFC 9562, section 4).
    Uuid,
    /// Whatever this check accepts, of at most 256 ASCII characters.
    Custom(fn(&str) -> bool),
}

impl LegacyFormat {
    fn fits(self, value: &str) -> bool {
        match self {
            Self::Uuid => is_canonical_uuid(value),
            Self::Custom(check) => check(value),
        }
    }
}

impl PartialEq for LegacyFormat {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Uuid, Self::Uuid) => true,
            (Self::Custom(one), Self::Custom(other)) => std::ptr::fn_addr_eq(*one, *other),
            _ => false,
        }
    }
}

impl Eq for LegacyFormat {}

fn is_canonical_uuid(value: &str) -> bool {
    let fits = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    value.len() == 36 && value.bytes().enumerate().all(fits)
}

impl SessionCookie {
    /// A builder with the defaults.
    pub fn builder() -> CookieBuilder {
        CookieBuilder::default()
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `Set-Cookie` value that gives the browser this secret (C2, C5).
    pub(crate) fn giving(
        &self,
        secret: &SessionSecret,
        absolute_deadline: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        let left = absolute_deadline.map_or(LONGEST_MAX_AGE, |deadline| deadline.since(now));
        let seconds = left.min(LONGEST_MAX_AGE).as_secs();
        let max_age = Span::seconds(i64::try_from(seconds).unwrap_or(0));
        self.header(self.cookie(secret.expose(), max_age))
    }

    /// The `Set-Cookie` value that takes the cookie away: only one with the same attributes does.
    pub(crate) fn removing(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut cookie = self.cookie("", Span::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        self.header(cookie)
    }

    fn cookie<'a>(&'a self, value: &'a str, max_age: Span) -> Cookie<'a> {
        let same_site = match self.same_site {
            SameSite::Lax => ::cookie::SameSite::Lax,
            SameSite::Strict => ::cookie::SameSite::Strict,
        };
        Cookie::build((self.name.as_str(), value))
            .path(self.path.as_str())
            .secure(self.is_secure)
            .http_only(true)
            .same_site(same_site)
            .max_age(max_age)
            .build()
    }

    /// Marked as sensitive, so that no `Debug` of a response prints the secret.
    #[expect(clippy::unused_self, reason = "a cookie is written by its own settings only")]
    fn header(&self, cookie: Cookie<'_>) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(cookie.to_string())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self {
            name: DEFAULT_NAME.to_owned(),
            path: "/".to_owned(),
            same_site: SameSite::Lax,
            is_secure: true,
            legacy: None,
        }
    }
}

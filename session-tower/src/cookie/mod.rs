//! The session cookie: its name, its attributes and its `Set-Cookie` values.

mod builder;
mod presented;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::cookie::Cookie;
use ::cookie::time::{Duration as Span, OffsetDateTime};
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use session_core::Timestamp;
use session_core::session::{SecretDigest, SessionSecret};

pub use builder::{CookieBuilder, CookieError};
#[cfg(feature = "sign-in")]
pub(crate) use presented::pairs;
pub(crate) use presented::{Candidate, PresentedValues};

const DEFAULT_NAME: &str = "__Host-session";

/// The maximum `Max-Age` that browsers respect: 400 days (RFC 6265bis, section 5.5; C5).
const MAX_COOKIE_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The name and the attributes of the session cookie.
///
/// The default is `__Host-session` with `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/` and without
/// `Domain` (C1, C2, C3).
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
    legacy_domain: Option<String>,
}

/// The cross-site requests on which the browser sends the cookie (C3). `None` is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SameSite {
    /// Navigations only. The return from a provider's login page arrives with the cookie.
    #[default]
    Lax,
    /// No requests. The return from a provider's login page arrives without the cookie.
    Strict,
}

/// The format of another system's cookie values, which are accepted for migrated sessions.
///
/// A value of this format is looked up by its digest like any other, and its session gets a new
/// secret at the first use.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LegacyFormat {
    /// A UUID in its canonical form: lower case, with hyphens (RFC 9562, section 4).
    Uuid,
    /// A value of at most 256 ASCII characters that this function accepts.
    Custom(fn(&str) -> bool),
    /// A value in which another one is wrapped, such as a signed one; see
    /// [`decoded`](Self::decoded).
    Decoded(LegacyDecoder),
}

/// A function from a cookie's value to the value that was migrated.
#[derive(Clone)]
pub struct LegacyDecoder(Arc<Decode>);

type Decode = dyn Fn(&str) -> Option<String> + Send + Sync;

impl fmt::Debug for LegacyDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyDecoder")
    }
}

impl LegacyFormat {
    /// Creates a format of values in which another one is wrapped: `decode` gets the value as the
    /// browser sent it, at most 256 ASCII characters, still percent-encoded, and returns the one
    /// that was migrated; `None` for a value that is not of this format.
    ///
    /// # Security
    ///
    /// Where the other system signs its cookies (Express, better-auth), verify the signature here.
    ///
    /// ```
    /// use session_tower::{LegacyFormat, SessionCookie};
    ///
    /// # fn main() -> Result<(), session_tower::CookieError> {
    /// // Express: `s:` + id + `.` + signature, percent-encoded.
    /// let express = LegacyFormat::decoded(|value| {
    ///     let (id, signature) = value.strip_prefix("s%3A")?.split_once('.')?;
    ///     is_signature_of(id, signature).then(|| id.to_owned())
    /// });
    /// let cookie = SessionCookie::builder().name("connect.sid").legacy(express).build()?;
    /// # assert_eq!(cookie.name(), "connect.sid");
    /// # Ok(())
    /// # }
    /// # fn is_signature_of(_id: &str, _signature: &str) -> bool { true }
    /// ```
    #[must_use]
    pub fn decoded(decode: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self::Decoded(LegacyDecoder(Arc::new(decode)))
    }

    /// Returns whether a value has the format, and is the one of this digest that was migrated.
    fn leads_to(&self, value: &str, digest: &SecretDigest) -> bool {
        match self {
            Self::Custom(check) => check(value),
            Self::Uuid | Self::Decoded(_) => self.digest_of(value) == Some(*digest),
        }
    }

    /// Returns the digest of the migrated value, if this one has the format.
    fn digest_of(&self, value: &str) -> Option<SecretDigest> {
        match self {
            Self::Uuid => is_canonical_uuid(value).then(|| SecretDigest::of(value)),
            Self::Custom(check) => check(value).then(|| SecretDigest::of(value)),
            Self::Decoded(LegacyDecoder(decode)) => {
                decode(value).map(|migrated| SecretDigest::of(&migrated))
            }
        }
    }
}

impl PartialEq for LegacyFormat {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Uuid, Self::Uuid) => true,
            (Self::Custom(one), Self::Custom(other)) => std::ptr::fn_addr_eq(*one, *other),
            (Self::Decoded(one), Self::Decoded(other)) => Arc::ptr_eq(&one.0, &other.0),
            _ => false,
        }
    }
}

impl Eq for LegacyFormat {}

fn is_canonical_uuid(value: &str) -> bool {
    let is_allowed = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    value.len() == 36 && value.bytes().enumerate().all(is_allowed)
}

impl SessionCookie {
    /// Creates a builder with the defaults.
    pub fn builder() -> CookieBuilder {
        CookieBuilder::default()
    }

    /// Returns the cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the `Set-Cookie` value that gives the browser this secret (C2, C5).
    pub(crate) fn header_setting(
        &self,
        secret: &SessionSecret,
        absolute_deadline: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<HeaderValue, InvalidHeaderValue> {
        let left = absolute_deadline.map_or(MAX_COOKIE_AGE, |deadline| deadline.since(now));
        let seconds = left.min(MAX_COOKIE_AGE).as_secs();
        let max_age = Span::seconds(i64::try_from(seconds).unwrap_or(0));
        sensitive_header(&self.cookie(secret.expose(), max_age))
    }

    /// Returns the `Set-Cookie` value that clears the cookie, which must have the same attributes.
    pub(crate) fn header_clearing(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut cookie = self.cookie("", Span::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        sensitive_header(&cookie)
    }

    /// Returns the `Set-Cookie` value that clears the cookie which another system has set for a
    /// whole domain. It is another cookie of the same name, which setting ours does not touch.
    pub(crate) fn header_clearing_legacy(&self) -> Option<Result<HeaderValue, InvalidHeaderValue>> {
        let mut cookie = self.cookie("", Span::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        cookie.set_domain(self.legacy_domain.as_deref()?);
        Some(sensitive_header(&cookie))
    }

    pub(crate) const fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Returns the cookie for plain http on loopback.
    #[cfg(feature = "sign-in")]
    pub(crate) fn insecure() -> Self {
        Self {
            name: builder::DEFAULT_INSECURE_NAME.to_owned(),
            is_secure: false,
            ..Self::default()
        }
    }

    /// Returns whether only this site can set a cookie of this name, so that every value is ours.
    pub(crate) fn is_prefixed(&self) -> bool {
        self.name.starts_with("__Host-")
    }

    fn cookie<'a>(&'a self, value: &'a str, max_age: Span) -> Cookie<'a> {
        let same_site = match self.same_site {
            SameSite::Lax => ::cookie::SameSite::Lax,
            SameSite::Strict => ::cookie::SameSite::Strict,
        };
        let mut cookie = Cookie::new(self.name.as_str(), value);
        cookie.set_path(self.path.as_str());
        cookie.set_secure(self.is_secure);
        cookie.set_http_only(true);
        cookie.set_same_site(same_site);
        cookie.set_max_age(max_age);
        cookie
    }
}

/// Marks the value as sensitive, so that the `Debug` output of a response does not show the secret.
fn sensitive_header(cookie: &Cookie<'_>) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(cookie.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

impl Default for SessionCookie {
    fn default() -> Self {
        Self {
            name: DEFAULT_NAME.to_owned(),
            path: "/".to_owned(),
            same_site: SameSite::Lax,
            is_secure: true,
            legacy: None,
            legacy_domain: None,
        }
    }
}

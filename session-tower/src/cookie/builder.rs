//! The builder of the session cookie, which refuses what browsers would refuse.

use super::{DEFAULT_NAME, LegacyFormat, SameSite, SessionCookie};

pub(super) const DEFAULT_INSECURE_NAME: &str = "session";

/// The maximum length of a cookie's name and value together, in bytes (RFC 6265bis, 5.7; C4).
const MAX_COOKIE_BYTES: usize = 4096;

/// The length of a secret's text, in bytes.
const SECRET_BYTES: usize = 43;

/// The maximum length of a cookie's path, in bytes (RFC 6265bis, section 5.6).
const MAX_PATH_BYTES: usize = 1024;

/// A builder of a [`SessionCookie`].
///
/// ```
/// use session_tower::{SameSite, SessionCookie};
///
/// # fn main() -> Result<(), session_tower::CookieError> {
/// let cookie = SessionCookie::builder().name("__Host-app").same_site(SameSite::Strict).build()?;
/// assert_eq!(cookie.name(), "__Host-app");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct CookieBuilder {
    name: Option<String>,
    path: String,
    same_site: SameSite,
    is_secure: bool,
    legacy: Option<LegacyFormat>,
    legacy_domain: Option<String>,
}

impl Default for CookieBuilder {
    fn default() -> Self {
        Self {
            name: None,
            path: "/".to_owned(),
            same_site: SameSite::default(),
            is_secure: true,
            legacy: None,
            legacy_domain: None,
        }
    }
}

impl CookieBuilder {
    /// Sets the name (default: `__Host-session`), for instance to that of a migrated system.
    ///
    /// # Security
    ///
    /// Without the `__Host-` prefix, a sibling domain or a page served over plain http can plant a
    /// cookie of this name (C1).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the path (default: `/`).
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the cross-site requests on which the browser sends the cookie (default: `Lax`).
    pub const fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Accepts another system's values too, and replaces each of them at its first use.
    pub fn legacy(mut self, format: LegacyFormat) -> Self {
        self.legacy = Some(format);
        self
    }

    /// Sets the `Domain` of the other system's cookie of the same name. The layer never sets a
    /// cookie with a domain; whenever it sets or clears its own, it clears that one too.
    pub fn legacy_domain(mut self, domain: impl Into<String>) -> Self {
        self.legacy_domain = Some(domain.into());
        self
    }

    /// Leaves out `Secure` and the prefix of the default name, which becomes `session`; for plain
    /// http on loopback.
    ///
    /// # Security
    ///
    /// The browser then sends the secret unencrypted to addresses that are not https.
    pub const fn dangerous_insecure(mut self) -> Self {
        self.is_secure = false;
        self
    }

    /// Builds the cookie.
    ///
    /// # Errors
    ///
    /// Returns a [`CookieError`] with the first field that browsers would refuse: a name that is
    /// empty, too long or not a token, a prefix that requires other attributes, or an invalid path.
    pub fn build(self) -> Result<SessionCookie, CookieError> {
        let default = if self.is_secure { DEFAULT_NAME } else { DEFAULT_INSECURE_NAME };
        let name = self.name.unwrap_or_else(|| default.to_owned());
        check_name(&name)?;
        check_path(&self.path)?;
        check_prefix(&name, self.is_secure, &self.path)?;
        if let Some(domain) = &self.legacy_domain {
            check_legacy_domain(domain, &name)?;
        }
        Ok(SessionCookie {
            name,
            path: self.path,
            same_site: self.same_site,
            is_secure: self.is_secure,
            legacy: self.legacy,
            legacy_domain: self.legacy_domain,
        })
    }
}

const fn check(holds: bool, field: &'static str, problem: &'static str) -> Result<(), CookieError> {
    if holds { Ok(()) } else { Err(CookieError { field, problem }) }
}

fn check_name(name: &str) -> Result<(), CookieError> {
    check(!name.is_empty(), "name", "must not be empty")?;
    check(
        name.bytes().all(is_token),
        "name",
        "has a character that is not allowed in a cookie name",
    )?;
    let fits = name.len() + SECRET_BYTES <= MAX_COOKIE_BYTES;
    check(fits, "name", "is too long: browsers would drop the cookie")
}

/// The characters of a token (RFC 9110, section 5.6.2), which a cookie's name is.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

fn check_path(path: &str) -> Result<(), CookieError> {
    check(path.starts_with('/'), "path", "must begin with /")?;
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b';';
    check(
        path.bytes().all(is_allowed),
        "path",
        "has a character that is not allowed in a cookie path",
    )?;
    check(path.len() <= MAX_PATH_BYTES, "path", "is too long: browsers would ignore it")
}

/// Browsers read prefixes in any case (C6), and drop a cookie without the attributes that its prefix
/// requires.
fn check_prefix(name: &str, is_secure: bool, path: &str) -> Result<(), CookieError> {
    for prefix in ["__Host-", "__Secure-", "__Http-"] {
        let Some(start) = name.get(..prefix.len()) else { continue };
        if start.eq_ignore_ascii_case(prefix) {
            check(start == prefix, "name", "has a prefix in the wrong case")?;
            check(is_secure, "name", "has a prefix that requires a secure cookie")?;
            let is_at_root = prefix != "__Host-" || path == "/";
            check(is_at_root, "path", "must be / because the name begins with __Host-")?;
        }
    }
    Ok(())
}

fn check_legacy_domain(domain: &str, name: &str) -> Result<(), CookieError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_domain = !domain.is_empty() && domain.bytes().all(is_allowed);
    check(is_domain, "legacy_domain", "must be a domain name in ASCII")?;
    let may_have_domain = !name.starts_with("__Host-");
    check(may_have_domain, "legacy_domain", "cannot be set because the name begins with __Host-")
}

/// The error of a cookie that browsers would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cookie {field} {problem}")]
pub struct CookieError {
    field: &'static str,
    problem: &'static str,
}

impl CookieError {
    /// Returns the name of the builder method that set the refused value.
    ///
    /// ```
    /// use session_tower::SessionCookie;
    ///
    /// let error = SessionCookie::builder().path("app").build().unwrap_err();
    /// assert_eq!(error.field(), "path");
    /// ```
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

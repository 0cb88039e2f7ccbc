//! Builds a cookie, and refuses what browsers would refuse, by the name of its field.

use super::{DEFAULT_NAME, LegacyFormat, SameSite, SessionCookie};

const DEFAULT_INSECURE_NAME: &str = "session";

/// What browsers keep of a cookie's name and value together, in bytes (RFC 6265bis, 5.7; C4).
const MOST_BYTES: usize = 4096;

/// The length of a secret's text.
const SECRET_BYTES: usize = 43;

/// What browsers keep of a cookie's path, in bytes (RFC 6265bis, section 5.6).
const MOST_PATH_BYTES: usize = 1024;

/// Builds a [`SessionCookie`].
#[derive(Debug, Clone)]
#[must_use]
pub struct CookieBuilder {
    name: Option<String>,
    path: String,
    same_site: SameSite,
    is_secure: bool,
    legacy: Option<LegacyFormat>,
}

impl Default for CookieBuilder {
    fn default() -> Self {
        Self {
            name: None,
            path: "/".to_owned(),
            same_site: SameSite::default(),
            is_secure: true,
            legacy: None,
        }
    }
}

impl CookieBuilder {
    /// Another name, such as a migrated system's (`__Host-session`).
    ///
    /// # Security
    ///
    /// Without the `__Host-` prefix a sibling domain, or a page on plain http, can plant a cookie
    /// of this name (C1).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Another path (`/`).
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// On which cross-site requests the browser sends it (on navigations: `Lax`).
    pub const fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Accepts another system's values too, and replaces each at its first use.
    pub const fn legacy(mut self, format: LegacyFormat) -> Self {
        self.legacy = Some(format);
        self
    }

    /// Without `Secure` and without a prefix (`session`): for plain http on loopback.
    ///
    /// # Security
    ///
    /// The secret then travels in clear wherever the address is not https.
    pub const fn dangerous_insecure(mut self) -> Self {
        self.is_secure = false;
        self
    }

    /// The cookie.
    ///
    /// # Errors
    ///
    /// [`CookieError`] names the first field that browsers would refuse: a name that is empty, too
    /// long or not a token; a prefix whose promise the attributes do not keep; a path that is none.
    pub fn build(self) -> Result<SessionCookie, CookieError> {
        let default = if self.is_secure { DEFAULT_NAME } else { DEFAULT_INSECURE_NAME };
        let name = self.name.unwrap_or_else(|| default.to_owned());
        check_name(&name)?;
        check_path(&self.path)?;
        check_prefix(&name, self.is_secure, &self.path)?;
        Ok(SessionCookie {
            name,
            path: self.path,
            same_site: self.same_site,
            is_secure: self.is_secure,
            legacy: self.legacy,
        })
    }
}

const fn check(holds: bool, field: &'static str, problem: &'static str) -> Result<(), CookieError> {
    if holds { Ok(()) } else { Err(CookieError { field, problem }) }
}

fn check_name(name: &str) -> Result<(), CookieError> {
    check(!name.is_empty(), "name", "must not be empty")?;
    check(name.bytes().all(is_token), "name", "has a character that no cookie's name may have")?;
    let fits = name.len() + SECRET_BYTES <= MOST_BYTES;
    check(fits, "name", "is so long that browsers would drop the cookie")
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
    check(path.bytes().all(is_allowed), "path", "has a character that no path may have")?;
    check(path.len() <= MOST_PATH_BYTES, "path", "is longer than browsers keep")
}

/// Browsers read prefixes in any case (C6) and drop a cookie that does not keep their promise.
fn check_prefix(name: &str, is_secure: bool, path: &str) -> Result<(), CookieError> {
    for prefix in ["__Host-", "__Secure-", "__Http-"] {
        let Some(start) = name.get(..prefix.len()) else { continue };
        if start.eq_ignore_ascii_case(prefix) {
            check(start == prefix, "name", "has a prefix in another case than browsers write it")?;
            check(is_secure, "name", "has a prefix that only a secure cookie may have")?;
            let is_at_root = prefix != "__Host-" || path == "/";
            check(is_at_root, "path", "must be / where the name begins with __Host-")?;
        }
    }
    Ok(())
}

/// A cookie that browsers would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cookie {field} {problem}")]
pub struct CookieError {
    field: &'static str,
    problem: &'static str,
}

impl CookieError {
    /// The name of the builder's method that set the value.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

//! The address under which browsers reach the application.

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Uri};

/// The public address of the site, without a path: behind a proxy it is not the address that the
/// server listens on, and the `Host` of a request is not trusted.
#[derive(Debug, Clone)]
pub(crate) struct PublicUrl {
    scheme: Scheme,
    authority: Authority,
}

impl PublicUrl {
    /// Parses `https://host[:port]`; plain http is for loopback alone. `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let parts = uri.into_parts();
        let (scheme, authority) = (parts.scheme?, parts.authority?);
        let has_path = parts.path_and_query.is_some_and(|path| path.as_str() != "/");
        let is_safe = scheme == Scheme::HTTPS || scheme == Scheme::HTTP && is_loopback(&authority);
        let is_site = !has_path && !authority.as_str().contains('@');
        (is_safe && is_site).then_some(Self { scheme, authority })
    }

    /// Returns whether the site is reached by https, so that its cookies can be `Secure`.
    pub(crate) fn is_secure(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Returns whether a request may be answered in development: it came under a name of loopback.
    /// Always so where the site is reached by https.
    pub(super) fn is_asked_on_loopback(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.map(str::parse::<Authority>);
        self.is_secure() || host.is_none_or(|host| host.is_ok_and(|host| is_loopback(&host)))
    }

    /// Returns the address of a path of the site.
    ///
    /// On plain loopback it keeps the name that the browser used (`localhost`, `127.0.0.1`), because
    /// cookies belong to that name.
    pub(crate) fn of(&self, path: &str, headers: &HeaderMap) -> String {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let asked = host.and_then(|host| host.parse::<Authority>().ok()).filter(|asked| {
            !self.is_secure()
                && is_loopback(asked)
                && asked.port_u16() == self.authority.port_u16()
                && !asked.as_str().contains('@')
        });
        let authority = asked.as_ref().unwrap_or(&self.authority);
        format!("{}://{authority}{path}", self.scheme)
    }
}

fn is_loopback(authority: &Authority) -> bool {
    matches!(authority.host(), "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn an_address_is_https_or_on_loopback_and_has_no_path() {
        for good in ["https://app.example", "https://app.example:8443/", "http://localhost:3000"] {
            assert!(PublicUrl::parse(good).is_some(), "{good}");
        }
        for bad in [
            "http://app.example",
            "https://app.example/app",
            "https://ann@app.example",
            "app.example",
            "ftp://app.example",
            "/",
            "",
        ] {
            assert!(PublicUrl::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_another_name_of_loopback_is_taken_from_the_request() {
        let host = |host: &str| HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        let local = PublicUrl::parse("http://127.0.0.1:3000").unwrap();
        assert_eq!(local.of("/c", &host("localhost:3000")), "http://localhost:3000/c");
        for foreign in ["evil.example:3000", "localhost:3001", "x@localhost:3000", "a b"] {
            assert_eq!(local.of("/c", &host(foreign)), "http://127.0.0.1:3000/c", "{foreign}");
        }
        let site = PublicUrl::parse("https://app.example").unwrap();
        assert_eq!(site.of("/c", &host("localhost")), "https://app.example/c");
    }
}

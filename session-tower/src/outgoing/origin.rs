//! The origins that may get a token, and which one.

use http::Uri;
use session_core::token::Resource;

/// The origins that may get a token: scheme, host and port, and where a path begins.
#[derive(Debug, Clone, Default)]
pub(super) struct AllowedOrigins(Vec<AllowedOrigin>);

/// An origin, or a part of it, whose requests get one kind of token.
#[derive(Debug, Clone)]
struct AllowedOrigin {
    origin: Origin,
    /// The beginning of the paths, without a slash at its end; empty for all.
    path: String,
    token: TokenKind,
}

/// The token that a request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    Main,
    Resource(Resource),
}

/// A scheme, a host in lower case, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// An origin that cannot be allowed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{origin:?} is no origin that may get tokens: write scheme and host, such as https://api.example, \
     with https unless the host is this machine"
)]
pub struct InvalidOrigin {
    origin: String,
}

impl InvalidOrigin {
    #[cfg(feature = "sign-in")]
    pub(super) fn of(origin: &str) -> Self {
        Self { origin: origin.to_owned() }
    }
}

impl AllowedOrigins {
    pub(super) fn add(&mut self, origin: &str) -> Result<(), InvalidOrigin> {
        self.add_with_path(origin, TokenKind::Main, |path| path == "/")
    }

    /// Adds an origin, or the paths of it that begin like this one, for tokens of a resource.
    pub(super) fn add_resource(
        &mut self,
        address: &str,
        resource: Resource,
    ) -> Result<(), InvalidOrigin> {
        self.add_with_path(address, TokenKind::Resource(resource), |path| !has_detour(path))
    }

    fn add_with_path(
        &mut self,
        origin: &str,
        token: TokenKind,
        is_path: impl Fn(&str) -> bool,
    ) -> Result<(), InvalidOrigin> {
        let invalid = || InvalidOrigin { origin: origin.to_owned() };
        let uri: Uri = origin.parse().map_err(|_| invalid())?;
        let is_bare = is_path(uri.path()) && uri.query().is_none() && !origin.contains('@');
        let parsed = Origin::of(&uri).filter(|_| is_bare).ok_or_else(invalid)?;
        // A token over plain http can be read on the way (RFC 6750, section 5.3).
        if parsed.scheme != "https" && !parsed.is_local() {
            return Err(invalid());
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        self.0.push(AllowedOrigin { origin: parsed, path, token });
        Ok(())
    }

    /// Returns the token that a request to this address gets: that of the longest path; `None` if it
    /// gets none.
    pub(super) fn token_for(&self, uri: &Uri) -> Option<&TokenKind> {
        // What stands before an `@` is no host, and some clients send it as credentials.
        let has_userinfo = uri.authority().is_some_and(|whole| whole.as_str().contains('@'));
        let origin = Origin::of(uri).filter(|_| !has_userinfo)?;
        let of_origin = self.0.iter().filter(|allowed| allowed.origin == origin);
        let matching = of_origin.filter(|allowed| allowed.has_path(uri.path()));
        matching.max_by_key(|allowed| allowed.path.len()).map(|allowed| &allowed.token)
    }
}

impl AllowedOrigin {
    fn has_path(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&*self.path);
        let is_below = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.path.is_empty() || is_below && !has_detour(path)
    }
}

/// Returns whether a path may lead elsewhere than it begins, once a server has resolved it.
fn has_detour(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    lower.contains("%2f")
        || lower.contains("%5c")
        || lower.contains('\\')
        || lower
            .replace("%2e", ".")
            .split('/')
            .any(|segment| is_dots(segment.split(';').next().unwrap_or_default()))
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        // A port that is no number is not the default one.
        let port = match uri.port() {
            Some(port) => port.as_u16(),
            None if uri.authority()?.as_str().ends_with(':') => return None,
            None => default_port,
        };
        Some(Self { scheme, host, port })
    }

    fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }
}

#[cfg(test)]
mod tests {
    use super::{AllowedOrigins, TokenKind};
    use session_core::token::Resource;

    fn allowing(origin: &str) -> AllowedOrigins {
        let mut origins = AllowedOrigins::default();
        origins.add(origin).unwrap();
        origins
    }

    #[test]
    fn only_the_same_scheme_host_and_port_is_the_same_origin() {
        let origins = allowing("https://api.example");
        for same in ["https://api.example/", "https://API.example:443/a?b", "HTTPS://api.example/x"]
        {
            assert!(origins.token_for(&same.parse().unwrap()).is_some(), "{same}");
        }
        for other in [
            "http://api.example/",
            "https://api.example:8443/",
            "https://api.example.evil.example/",
            "https://evil.example/https://api.example/",
            "https://api.example@evil.example/",
            "https://user:pass@api.example/",
            "https://xapi.example/",
            "https://api.example./",
            "/relative",
            "api.example:443",
            "ftp://api.example/",
        ] {
            let uri = other.parse().unwrap();
            assert_eq!(origins.token_for(&uri), None, "{other}");
        }
    }

    #[test]
    fn a_path_belongs_to_the_resource_with_the_longest_beginning_and_no_detour_leads_there() {
        let resource = |name: &str| Resource::new(format!("https://{name}.example/")).unwrap();
        let mut origins = allowing("https://api.example");
        for path in ["files", "files/secret"] {
            let address = format!("https://api.example/{path}/");
            origins.add_resource(&address, resource(&path.replace('/', "-"))).unwrap();
        }
        let files = TokenKind::Resource(resource("files"));
        let secret = TokenKind::Resource(resource("files-secret"));
        for (path, expected) in [
            ("/", &TokenKind::Main),
            ("/filesystem", &TokenKind::Main),
            ("/files", &files),
            ("/files/a?b=/../c", &files),
            ("/files/secrets", &files),
            ("/files/secret", &secret),
            ("/files/secret/a", &secret),
            ("/files/../admin", &TokenKind::Main),
            ("/files/%2E%2e/admin", &TokenKind::Main),
            ("/files/..;x/admin", &TokenKind::Main),
            ("/files%2f..%2fadmin", &TokenKind::Main),
            ("/files/..%2fadmin", &TokenKind::Main),
            ("/FILES/a", &TokenKind::Main),
        ] {
            let uri = format!("https://api.example{path}").parse().unwrap();
            assert_eq!(origins.token_for(&uri), Some(expected), "{path}");
        }
        let mut only = AllowedOrigins::default();
        only.add_resource("https://api.example/files", resource("files")).unwrap();
        for elsewhere in
            ["https://api.example/", "https://api.example/files/../x", "https://evil.example/files"]
        {
            assert_eq!(only.token_for(&elsewhere.parse().unwrap()), None, "{elsewhere}");
        }
        for refused in [
            "http://api.example/files",
            "https://api.example/a/../b",
            "https://a@api.example/files",
        ] {
            assert!(only.add_resource(refused, resource("files")).is_err(), "{refused}");
        }
    }

    #[test]
    fn an_origin_is_https_or_local_and_nothing_more() {
        for allowed in [
            "https://api.example",
            "https://api.example:8443/",
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
        ] {
            allowing(allowed);
        }
        for refused in [
            "http://api.example",
            "https://api.example/path",
            "https://a@api.example",
            "api.example",
            "https://",
            "*",
            "",
            "https://api.example?q",
            "ws://localhost",
        ] {
            let error = AllowedOrigins::default().add(refused).unwrap_err();
            assert!(error.to_string().contains("https"), "{refused}: {error}");
        }
    }
}

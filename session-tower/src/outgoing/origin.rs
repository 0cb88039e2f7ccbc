//! The origins that may get a token.

use http::Uri;

/// The origins that may get a token: scheme, host and port.
#[derive(Debug, Clone, Default)]
pub(super) struct AllowedOrigins(Vec<Origin>);

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
        let invalid = || InvalidOrigin { origin: origin.to_owned() };
        let uri: Uri = origin.parse().map_err(|_| invalid())?;
        let is_bare = uri.path() == "/" && uri.query().is_none() && !origin.contains('@');
        let parsed = Origin::of(&uri).filter(|_| is_bare).ok_or_else(invalid)?;
        // A token over plain http can be read on the way (RFC 6750, section 5.3).
        if parsed.scheme != "https" && !parsed.is_local() {
            return Err(invalid());
        }
        self.0.push(parsed);
        Ok(())
    }

    pub(super) fn contains(&self, uri: &Uri) -> bool {
        // What stands before an `@` is no host, and some clients send it as credentials.
        let has_userinfo = uri.authority().is_some_and(|whole| whole.as_str().contains('@'));
        !has_userinfo && Origin::of(uri).is_some_and(|origin| self.0.contains(&origin))
    }
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
    use super::AllowedOrigins;

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
            assert!(origins.contains(&same.parse().unwrap()), "{same}");
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
            assert!(!origins.contains(&uri), "{other}");
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

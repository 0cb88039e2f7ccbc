//! The address of a request, as proofs and nonces know it.

use http::Uri;

/// The address of a request without query and fragment (RFC 9449, section 4.2), in the form that
/// servers compare: scheme and host in lower case, no default port, no credentials (RFC 3986,
/// sections 6.2.2 and 6.2.3).
pub(super) struct Target<'u> {
    origin: String,
    path: &'u str,
}

impl<'u> Target<'u> {
    /// Returns the target of an absolute address.
    pub(super) fn of(uri: &'u Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let host = uri.host()?.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        };
        let port = uri.port_u16().filter(|port| Some(*port) != default_port);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(Self { origin: format!("{scheme}://{host}{port}"), path: uri.path() })
    }

    /// Returns the server: scheme, host and port.
    pub(super) fn into_origin(self) -> String {
        self.origin
    }

    /// Returns the value of a proof's `htu`.
    pub(super) fn htu(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_target_has_neither_query_nor_what_servers_leave_out() {
        for (uri, expected) in [
            ("https://server.example.com/token", "https://server.example.com/token"),
            ("https://server.example.com/a/b?c=d&e", "https://server.example.com/a/b"),
            ("HTTPS://Server.Example.com:443?q", "https://server.example.com/"),
            ("http://127.0.0.1:80/me", "http://127.0.0.1/me"),
            ("http://127.0.0.1:443/me", "http://127.0.0.1:443/me"),
            ("https://user:password@api.example:8443/", "https://api.example:8443/"),
            ("https://[::1]:9/A%2fb", "https://[::1]:9/A%2fb"),
        ] {
            let uri = uri.parse().unwrap();
            assert_eq!(Target::of(&uri).unwrap().htu(), expected, "{uri}");
        }
        assert!(Target::of(&"/me?a".parse().unwrap()).is_none());
    }
}

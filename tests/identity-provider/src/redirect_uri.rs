//! Comparison of redirect URIs.

use url::Url;

/// The loopback origins, for which any port is accepted (RFC 8252, 7.3 and 8.3).
const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://[::1]", "http://localhost"];

/// Returns whether a requested URI is the registered one: equal character by character, except for the
/// port of a loopback address.
///
/// Compares the text, not a normalised URL, so that no other spelling is accepted (RFC 9700, 2.1).
pub(crate) fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    match (without_loopback_port(registered), without_loopback_port(requested)) {
        (Some(registered), Some(requested)) => registered == requested,
        _ => false,
    }
}

/// Checks that a URI can be registered: it must parse, and have no fragment (RFC 6749, 3.1.2).
pub(crate) fn check(uri: &str) -> Result<(), Option<url::ParseError>> {
    let parsed = Url::parse(uri).map_err(Some)?;
    if parsed.fragment().is_some() || parsed.cannot_be_a_base() {
        return Err(None);
    }
    Ok(())
}

/// Splits a loopback URI into its origin without a port, and the rest.
fn without_loopback_port(uri: &str) -> Option<(&'static str, &str)> {
    let (origin, rest) =
        LOOPBACK.iter().find_map(|origin| Some((*origin, uri.strip_prefix(origin)?)))?;
    let rest = match rest.strip_prefix(':') {
        Some(port_and_rest) => after_port(port_and_rest)?,
        None => rest,
    };
    // Anything else would be part of the host: `http://127.0.0.1.example`, `http://localhost:1@example`.
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((origin, rest))
}

fn after_port(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (port, rest) = text.split_at_checked(end)?;
    port.parse::<u16>().ok().filter(|port| *port != 0)?;
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::{check, matches};

    #[test]
    fn accepts_any_port_of_a_loopback_address_only() {
        let registered = "http://127.0.0.1/callback";
        assert!(matches(registered, "http://127.0.0.1/callback"));
        assert!(matches(registered, "http://127.0.0.1:3000/callback"));
        assert!(matches("http://127.0.0.1:9/callback", "http://127.0.0.1:3000/callback"));
        assert!(matches("http://[::1]/callback", "http://[::1]:65535/callback"));
        assert!(matches("https://app.example/cb", "https://app.example/cb"));
        assert!(!matches("https://app.example/cb", "https://app.example:8443/cb"));
    }

    #[test]
    fn rejects_similar_uris() {
        let registered = "http://127.0.0.1/callback";
        for requested in [
            "http://127.0.0.1:3000/callback/",
            "http://127.0.0.1:3000/callback?x=1",
            "http://127.0.0.1:3000/callback#f",
            "http://127.0.0.1:3000/a/../callback",
            "http://127.0.0.1:3000/Callback",
            "http://127.0.0.1:/callback",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:99999/callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://localhost:3000/callback",
            "https://127.0.0.1:3000/callback",
            "HTTP://127.0.0.1:3000/callback",
            "",
        ] {
            assert!(!matches(registered, requested), "{requested}");
        }
    }

    #[test]
    fn a_fragment_cannot_be_registered() {
        assert!(check("http://127.0.0.1/callback").is_ok());
        assert_eq!(check("http://127.0.0.1/callback#x"), Err(None));
        assert!(check("/callback").is_err());
    }
}

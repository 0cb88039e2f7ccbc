//! Invalid settings, by the name of the field.

use http::Uri;
use openidconnect::url::{Host, Url};

use crate::provider::{ProviderError, ProviderErrorKind};

/// An invalid setting of an OpenID Connect provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidSetting {
    field: &'static str,
    problem: &'static str,
}

impl InvalidSetting {
    pub(super) const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }

    /// Returns the name of the setting, or of the field of the discovery document.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

/// The reason why an [`OpenIdProvider`](super::OpenIdProvider) cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The discovery document or the keys cannot be fetched or parsed.
    #[error("the provider's configuration cannot be fetched")]
    Discovery(#[source] ProviderError),
    /// The application could not be registered as a client of the authorization server.
    #[error("the client is not registered at the authorization server")]
    Registration(#[source] ProviderError),
    /// A setting, or a field of the discovery document, is invalid.
    #[error("a setting of the provider is invalid")]
    Setting(
        #[from]
        #[source]
        InvalidSetting,
    ),
}

impl From<SetupError> for ProviderError {
    /// For a call that needs the document: neither a setting that is invalid nor what is answered
    /// before a token was sent must end a session.
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Discovery(error) | SetupError::Registration(error)
                if error.is_refused() =>
            {
                Self::new(ProviderErrorKind::Malformed).caused_by(error)
            }
            SetupError::Discovery(error) | SetupError::Registration(error) => error,
            SetupError::Setting(setting) => {
                Self::new(ProviderErrorKind::Misconfigured).caused_by(setting)
            }
        }
    }
}

impl SetupError {
    /// Returns the name of the invalid field, if that is the reason.
    #[must_use]
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Setting(setting) => Some(setting.field()),
            Self::Discovery(_) | Self::Registration(_) => None,
        }
    }

    /// Returns whether a later attempt may succeed: the provider is unavailable or overloaded.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Discovery(error) | Self::Registration(error) if matches!(
            error.kind(),
            ProviderErrorKind::Throttled | ProviderErrorKind::Unavailable
        ))
    }
}

/// Parses a URL to which secrets may be sent: https, or http on loopback where that is allowed.
pub(super) fn safe_url(
    field: &'static str,
    text: &str,
    is_insecure_loopback: bool,
) -> Result<Url, InvalidSetting> {
    let url = Url::parse(text).map_err(|_| InvalidSetting::new(field, "is not a URL"))?;
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err(InvalidSetting::new(field, "must not contain credentials"))
        }
        _ if url.fragment().is_some() => {
            Err(InvalidSetting::new(field, "must not have a fragment"))
        }
        "https" => Ok(url),
        "http" if is_loopback(&url) && is_insecure_loopback => Ok(url),
        "http" if is_loopback(&url) => {
            let problem = "is http on loopback, which the builder must allow";
            Err(InvalidSetting::new(field, problem))
        }
        _ => Err(InvalidSetting::new(field, "must be https")),
    }
}

/// Parses the URL of an endpoint in a discovery document. A remote issuer must not direct requests
/// with secrets to this machine.
pub(super) fn safe_endpoint(
    field: &'static str,
    text: &str,
    issuer: &Url,
) -> Result<Uri, InvalidSetting> {
    let url = safe_url(field, text, true)?;
    if url.scheme() == "http" && issuer.scheme() == "https" {
        return Err(InvalidSetting::new(field, "must be https, as the issuer is"));
    }
    url.as_str().parse().map_err(|_| InvalidSetting::new(field, "is not a URL"))
}

/// Returns whether the host of an address is this machine.
#[cfg(feature = "reqwest")]
pub(super) fn is_loopback_host(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_https_and_loopback() {
        for url in [
            "https://id.example/a?b=c",
            "http://127.0.0.1:1/",
            "http://[::1]",
            "http://localhost:9",
        ] {
            assert!(safe_url("issuer", url, true).is_ok(), "{url}");
            let is_secure = url.starts_with("https:");
            assert_eq!(safe_url("issuer", url, false).is_ok(), is_secure, "{url}");
        }
    }

    #[test]
    fn refuses_addresses_that_would_receive_secrets_in_clear_text() {
        for url in [
            "http://id.example",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "ftp://127.0.0.1",
            "https://user:pw@id.example",
            "https://id.example/#a",
            "id.example",
            "",
        ] {
            let error = safe_url("issuer", url, true).unwrap_err();
            assert_eq!(error.field(), "issuer", "{url}");
        }
    }

    #[test]
    fn refuses_an_endpoint_on_loopback_for_a_remote_issuer() {
        let outside = Url::parse("https://id.example").unwrap();
        assert!(safe_endpoint("token_endpoint", "http://127.0.0.1/token", &outside).is_err());
        assert!(safe_endpoint("token_endpoint", "https://tokens.example/", &outside).is_ok());
        let here = Url::parse("http://127.0.0.1:3001").unwrap();
        assert!(safe_endpoint("token_endpoint", "http://127.0.0.1:3001/token", &here).is_ok());
    }
}

//! What is wrong with what the application configured, by the name of the field.

use http::Uri;
use openidconnect::url::{Host, Url};

use crate::provider::{ProviderError, ProviderErrorKind};

/// A setting of an OpenID Connect provider that cannot be meant.
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

    /// The name of the setting, or of the field of the discovery document.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

/// Why there is no [`OpenIdProvider`](super::OpenIdProvider).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The discovery document or the keys could not be fetched, or not be understood.
    #[error("the provider's configuration cannot be fetched")]
    Discovery(#[source] ProviderError),
    /// A setting, or a field of the discovery document, cannot be meant.
    #[error("a setting of the provider is invalid")]
    Setting(
        #[from]
        #[source]
        InvalidSetting,
    ),
}

impl SetupError {
    /// The name of the invalid field, if it is that.
    #[must_use]
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Setting(setting) => Some(setting.field()),
            Self::Discovery(_) => None,
        }
    }

    /// Whether it may go well later: the provider is away, or asks for fewer requests.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Discovery(error) if matches!(
            error.kind(),
            ProviderErrorKind::Throttled | ProviderErrorKind::Unavailable
        ))
    }
}

/// The URL, if secrets may travel to it: https, or http to this very machine.
pub(super) fn safe_url(field: &'static str, text: &str) -> Result<Url, InvalidSetting> {
    let url = Url::parse(text).map_err(|_| InvalidSetting::new(field, "is not a URL"))?;
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err(InvalidSetting::new(field, "must not contain credentials"))
        }
        _ if url.fragment().is_some() => {
            Err(InvalidSetting::new(field, "must not have a fragment"))
        }
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(InvalidSetting::new(field, "must be https, or http on loopback")),
    }
}

/// The URL of an endpoint that a discovery document names. An issuer out there must not send
/// requests with secrets to this machine.
pub(super) fn safe_endpoint(
    field: &'static str,
    text: &str,
    issuer: &Url,
) -> Result<Uri, InvalidSetting> {
    let url = safe_url(field, text)?;
    if url.scheme() == "http" && !is_loopback(issuer) {
        return Err(InvalidSetting::new(field, "must be https, for the issuer is"));
    }
    url.as_str().parse().map_err(|_| InvalidSetting::new(field, "is not a URL"))
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
            assert!(safe_url("issuer", url).is_ok(), "{url}");
        }
    }

    #[test]
    fn refuses_what_would_send_secrets_in_the_clear() {
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
            let error = safe_url("issuer", url).unwrap_err();
            assert_eq!(error.field(), "issuer", "{url}");
        }
    }

    #[test]
    fn refuses_an_endpoint_on_this_machine_for_an_issuer_that_is_not() {
        let outside = Url::parse("https://id.example").unwrap();
        assert!(safe_endpoint("token_endpoint", "http://127.0.0.1/token", &outside).is_err());
        assert!(safe_endpoint("token_endpoint", "https://tokens.example/", &outside).is_ok());
        let here = Url::parse("http://127.0.0.1:3001").unwrap();
        assert!(safe_endpoint("token_endpoint", "http://127.0.0.1:3001/token", &here).is_ok());
    }
}

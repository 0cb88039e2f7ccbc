//! The client of the identity provider, which is built in or external.

use std::sync::Arc;
use std::time::Duration;

use identity_provider::{Client, IdentityProvider, RunningProvider};
use secrecy::SecretString;
use session_core::ProviderName;
use session_core::provider::RevocationScope;
use session_core::provider::openid::{DefaultHttpClient, InvalidSetting, OpenIdProvider};
use url::{Host, Url};

use crate::listener::Listen;
use crate::settings::ProviderChoice;
use crate::startup_error::StartupError;

/// The client that is registered with the built-in provider.
const BUILT_IN_ID: &str = "devices";
const BUILT_IN_SECRET: &str = "devices-secret";

/// The client registration at an identity provider, ready for sign-ins.
#[derive(Debug)]
pub(crate) struct ProviderClient {
    /// The OpenID Connect client.
    pub(crate) openid: Arc<OpenIdProvider>,
    /// The provider name in every session.
    pub(crate) name: ProviderName,
}

impl ProviderClient {
    /// Connects to the chosen provider; returns the built-in one too, which runs until it is dropped.
    pub(crate) async fn begin(
        choice: &ProviderChoice,
    ) -> Result<(Self, Option<RunningProvider>), StartupError> {
        match choice {
            ProviderChoice::BuiltIn { listen, access_token_lifetime, auto_login } => {
                let running = built_in(*listen, *access_token_lifetime, *auto_login).await?;
                let secret = Some(SecretString::from(BUILT_IN_SECRET));
                let client = Self::new(running.issuer().as_str(), BUILT_IN_ID, secret)?;
                Ok((client, Some(running)))
            }
            ProviderChoice::External { issuer, client_id, client_secret } => {
                Ok((Self::new(issuer, client_id, client_secret.clone())?, None))
            }
        }
    }

    fn new(issuer: &str, id: &str, secret: Option<SecretString>) -> Result<Self, StartupError> {
        let url = Url::parse(issuer).map_err(|error| StartupError::usage("--issuer", error))?;
        let is_built_in = id == BUILT_IN_ID && is_loopback(&url);
        let http = DefaultHttpClient::new()
            .map_err(|error| StartupError::caused_by("cannot create an HTTP client", error))?;
        // The built-in provider revokes one login at a time; for others this is unknown.
        let scope = if is_built_in { RevocationScope::Token } else { RevocationScope::Unknown };
        let client = OpenIdProvider::builder(issuer, id, http)
            .with_revocation_scope(scope)
            .dangerous_insecure_loopback();
        let client = match secret {
            Some(secret) => client.with_client_secret(secret),
            None => client,
        };
        // The provider is asked at the first sign-in: sessions are served while it is away.
        let openid = client.build().map_err(|setting| unusable(&setting))?;
        Ok(Self { openid: Arc::new(openid), name: provider_name(&url, is_built_in)? })
    }
}

async fn built_in(
    listen: Listen,
    access_token_lifetime: Duration,
    auto_login: bool,
) -> Result<RunningProvider, StartupError> {
    let failed =
        |error| StartupError::caused_by("the built-in identity provider cannot listen", error);
    let listener = listen.bind().await.map_err(failed)?;
    let provider = IdentityProvider::builder()
        .client(Client::devices())
        .access_token_lifetime(access_token_lifetime)
        .auto_login(auto_login)
        .build()
        .map_err(|error| {
            StartupError::caused_by("cannot create the built-in identity provider", error)
        })?;
    provider.spawn(listener).map_err(failed)
}

/// Returns the provider name: `builtin` for the built-in provider, including that of another copy,
/// else the issuer's host. All copies on one database must agree on it, because caps are counted per
/// provider and renewals are looked up by it; so the built-in provider's port is left out.
fn provider_name(issuer: &Url, is_built_in: bool) -> Result<ProviderName, StartupError> {
    let host = issuer.host_str().unwrap_or_default();
    let name = match issuer.port() {
        _ if is_built_in => "builtin".to_owned(),
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    ProviderName::new(name).map_err(|error| StartupError::usage("--issuer", error))
}

fn unusable(setting: &InvalidSetting) -> StartupError {
    match setting.field() {
        "client_id" => StartupError::usage("--client-id", "must not be empty"),
        "client_secret" => StartupError::usage("--client-secret", "must not be empty"),
        _ => StartupError::usage("--issuer", setting),
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
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
    fn all_copies_give_the_provider_the_same_name() {
        let name = |url: &str, is_built_in| {
            provider_name(&Url::parse(url).unwrap(), is_built_in).unwrap().to_string()
        };
        assert_eq!(name("http://127.0.0.1:3001", true), name("http://localhost:3002", true));
        assert_eq!(name("https://id.example/realms/a", false), "id.example");
        assert_eq!(name("https://id.example:8443", false), "id.example:8443");
    }
}

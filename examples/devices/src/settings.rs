//! The validated configuration of a copy.

use std::time::Duration;

use secrecy::SecretString;
use session_core::{ProviderName, SessionPolicy};
use session_tower::{LegacyFormat, SessionCookie};

use crate::database::DatabaseUrl;
use crate::keys::KeySource;
use crate::listener::Listen;
use crate::startup_error::StartupError;

/// The configuration of a copy.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: Listen,
    pub(crate) database: DatabaseUrl,
    pub(crate) keys: KeySource,
    pub(crate) provider: ProviderChoice,
    /// The provider name in sessions; by default it is derived from the provider.
    pub(crate) provider_name: Option<ProviderName>,
    pub(crate) policy: SessionPolicy,
    pub(crate) cookie: CookieSettings,
}

/// The identity provider that users sign in with.
#[derive(Debug, Clone)]
pub(crate) enum ProviderChoice {
    /// A provider in this process, for development.
    BuiltIn { listen: Listen, access_token_lifetime: Duration, auto_login: bool },
    /// Any other provider; it may be the built-in one of another copy.
    External { issuer: String, client_id: String, client_secret: Option<SecretString> },
}

/// The session cookie.
#[derive(Debug, Clone)]
pub(crate) struct CookieSettings {
    /// The cookie name of a migrated application.
    pub(crate) name: Option<String>,
}

/// The cookie name: this application is served over plain http, where browsers reject the prefix
/// `__Host-`, and Safari every `Secure` cookie.
const INSECURE_NAME: &str = "devices_session";

impl CookieSettings {
    pub(crate) fn session_cookie(&self) -> Result<SessionCookie, StartupError> {
        let mut cookie = SessionCookie::builder().dangerous_insecure().name(INSECURE_NAME);
        if let Some(name) = &self.name {
            // Open WebUI's cookie `oauth_session_id`, for example, contains a UUID.
            cookie = cookie.name(name).legacy(LegacyFormat::Uuid);
        }
        cookie.build().map_err(|error| StartupError::usage("--cookie-name", error))
    }
}

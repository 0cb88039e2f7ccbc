//! What a copy is to do, checked.

use std::time::Duration;

use secrecy::SecretString;
use session_core::{ProviderName, SessionPolicy};
use session_tower::{LegacyFormat, SessionCookie};
use url::Url;

use crate::database::DatabaseUrl;
use crate::failure::Failure;
use crate::keys::KeySource;
use crate::listener::Listen;

/// What a copy is to do.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) listen: Listen,
    pub(crate) database: DatabaseUrl,
    pub(crate) keys: KeySource,
    pub(crate) provider: ProviderChoice,
    /// What sessions call it, where that is not to follow from the provider.
    pub(crate) provider_name: Option<ProviderName>,
    pub(crate) policy: SessionPolicy,
    pub(crate) cookie: CookieSettings,
}

/// Who signs people in.
#[derive(Debug, Clone)]
pub(crate) enum ProviderChoice {
    /// The provider in this process.
    BuiltIn { listen: Listen, access_token_lifetime: Duration, auto_login: bool },
    /// Another one; it may be the built-in one of another copy.
    Outside { issuer: Url, client_id: String, client_secret: Option<SecretString> },
}

/// The session's cookie.
#[derive(Debug, Clone)]
pub(crate) struct CookieSettings {
    /// The cookie of a migrated system.
    pub(crate) name: Option<String>,
    pub(crate) is_secure: bool,
}

/// The name for plain http: browsers refuse the prefix `__Host-` there.
const INSECURE_NAME: &str = "devices_session";

impl CookieSettings {
    pub(crate) fn session_cookie(&self) -> Result<SessionCookie, Failure> {
        let mut cookie = SessionCookie::builder();
        if !self.is_secure {
            cookie = cookie.dangerous_insecure().name(INSECURE_NAME);
        }
        if let Some(name) = &self.name {
            // Open WebUI's `oauth_session_id`, for one, holds a UUID.
            cookie = cookie.name(name).legacy(LegacyFormat::Uuid);
        }
        cookie.build().map_err(|error| Failure::usage("--cookie-name", error))
    }
}

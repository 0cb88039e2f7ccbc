//! The command line.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use session_core::policy::{OnFull, Rule};
use session_core::{ProviderName, SessionPolicy};
use session_tower::SessionCookie;

use crate::database::DatabaseUrl;
use crate::keys::KeySource;
use crate::listener::Listen;
use crate::settings::{CookieSettings, ProviderChoice, Settings};
use crate::startup_error::StartupError;

/// A web application that lists the user's devices: each signs in, and can be signed out, separately.
///
/// Sealing keys are read from the variable SESSION_KEYS (id:base64 of 32 bytes, separated by commas;
/// the first one seals), else from the file devices.keys in the working directory, which the first
/// start creates. Logs go to stderr, filtered by RUST_LOG.
#[derive(Debug, Parser)]
#[command(name = "devices", version)]
pub(crate) struct Arguments {
    /// The address to listen on [default: 127.0.0.1:3000, or the next free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// sqlite:FILE, postgres://… or mysql://… [default: sqlite:devices.sqlite?mode=rwc]
    #[arg(long, value_name = "URL", value_parser = secret)]
    database_url: Option<SecretString>,

    /// An OpenID Connect provider instead of the built-in one
    #[arg(long, value_name = "URL", requires = "client_id")]
    issuer: Option<String>,

    /// The client id at that provider
    #[arg(long, value_name = "ID", requires = "issuer")]
    client_id: Option<String>,

    /// The client secret at that provider; none for a public client
    #[arg(long, value_name = "SECRET", requires = "issuer", value_parser = secret)]
    client_secret: Option<SecretString>,

    /// The provider's name in every session [default: builtin, or the issuer's host]
    ///
    /// Use the name of a migrated application: sessions are renewed with the provider of that name.
    #[arg(long, value_name = "NAME")]
    provider_name: Option<String>,

    /// How many devices a user may have at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    max_sessions: u32,

    /// What happens at a sign-in when the maximum is reached
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = WhenFull::EvictOldest)]
    on_full: WhenFull,

    /// How long the built-in provider's access tokens are valid
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    access_token_seconds: u64,

    /// The time within which all copies notice that a session has ended
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    max_staleness_ms: u64,

    /// The term of a renewal's lease; the timeouts of provider and store are shortened to fit in
    #[arg(long, value_name = "SECONDS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(8..=3600))]
    lease_seconds: u64,

    /// The cookie name of a migrated application: its UUIDs are accepted, and replaced at first use
    #[arg(long, value_name = "NAME")]
    cookie_name: Option<String>,

    /// The built-in provider signs in the user named by login_hint, without a form
    #[arg(long)]
    auto_login: bool,

    /// Runs every scenario by itself and reports the results; only --database-url is used with it
    #[arg(long)]
    pub(crate) check: bool,
}

/// How long the provider may take to answer a renewal, where the lease is long enough.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the store may take to answer, where the lease is long enough.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// What happens at a sign-in when the maximum is reached.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum WhenFull {
    /// The device that signed in first is signed out
    EvictOldest,
    /// The least recently used device is signed out
    EvictLru,
    /// The sign-in is refused
    Reject,
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

impl Arguments {
    /// Validates the arguments and the environment.
    pub(crate) fn settings(&self) -> Result<Settings, StartupError> {
        let here = Path::new("");
        let database = self.database()?.unwrap_or_else(|| DatabaseUrl::file_in(here));
        Ok(Settings {
            listen: self.listen.map_or(Listen::From(3000), Listen::At),
            keys: KeySource::from_environment(here),
            database,
            provider: self.provider()?,
            provider_name: self.provider_name()?,
            policy: self.policy()?,
            cookie: self.cookie()?,
        })
    }

    /// Parses the address of the database, if one was given.
    pub(crate) fn database(&self) -> Result<Option<DatabaseUrl>, StartupError> {
        let Some(text) = &self.database_url else { return Ok(None) };
        let url = DatabaseUrl::parse(text.expose_secret());
        url.map(Some).map_err(|message| StartupError::usage("--database-url", message))
    }

    fn provider_name(&self) -> Result<Option<ProviderName>, StartupError> {
        let name = self.provider_name.as_deref().map(ProviderName::new).transpose();
        name.map_err(|error| StartupError::usage("--provider-name", error))
    }

    fn provider(&self) -> Result<ProviderChoice, StartupError> {
        let (Some(issuer), Some(client_id)) = (&self.issuer, &self.client_id) else {
            return Ok(ProviderChoice::BuiltIn {
                listen: Listen::From(3001),
                access_token_lifetime: Duration::from_secs(self.access_token_seconds),
                auto_login: self.auto_login,
            });
        };
        if client_id.trim().is_empty() {
            return Err(StartupError::usage("--client-id", "must not be empty"));
        }
        let issuer = issuer.clone();
        let client_secret = self.client_secret.clone();
        Ok(ProviderChoice::External { issuer, client_id: client_id.clone(), client_secret })
    }

    fn policy(&self) -> Result<SessionPolicy, StartupError> {
        let on_full = match self.on_full {
            WhenFull::EvictOldest => OnFull::EvictOldest,
            WhenFull::EvictLru => OnFull::EvictLeastRecentlyUsed,
            WhenFull::Reject => OnFull::Reject,
        };
        let mut policy = SessionPolicy::builder();
        if matches!(self.on_full, WhenFull::EvictLru) {
            // Copies know each other's requests only from the rows: write every use, because a
            // demonstration lasts seconds.
            policy = policy.touch_interval(Duration::ZERO);
        }
        let lease = Duration::from_secs(self.lease_seconds);
        policy
            .lease_term(lease)
            .provider_timeout((lease / 4).min(PROVIDER_TIMEOUT))
            .store_timeout((lease / 8).min(STORE_TIMEOUT))
            .max_sessions(self.max_sessions)
            .on_full(on_full)
            .max_staleness(Duration::from_millis(self.max_staleness_ms))
            .rule(Rule::for_provider("mcp:*").replace())
            .build()
            .map_err(|error| StartupError::usage("--max-sessions, --max-staleness-ms", error))
    }

    fn cookie(&self) -> Result<CookieSettings, StartupError> {
        let settings = CookieSettings { name: self.cookie_name.clone() };
        // Built once here, so that an invalid name is reported before anything is created.
        let _: SessionCookie = settings.session_cookie()?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_second_copy_uses_the_provider_of_the_first() {
        let typed = "devices --issuer http://127.0.0.1:3001 --client-id devices --client-secret devices-secret";
        let arguments = Arguments::try_parse_from(typed.split(' ')).unwrap();
        assert!(!format!("{arguments:?}").contains("devices-secret"));
        assert!(matches!(arguments.provider().unwrap(), ProviderChoice::External { .. }));
    }

    #[test]
    fn invalid_values_are_rejected() {
        for typed in [
            "--max-sessions 0",
            "--on-full explode",
            "--issuer http://127.0.0.1:3001",
            "--client-id devices",
            "--access-token-seconds 0",
            "--lease-seconds 7",
            "--listen nowhere",
        ] {
            let words = std::iter::once("devices").chain(typed.split(' '));
            let error = Arguments::try_parse_from(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{typed}");
        }
    }

    #[test]
    fn an_invalid_database_address_is_reported_without_repeating_it() {
        let words = ["devices", "--database-url", "redis://u:hunter2@h/0"];
        let error = Arguments::try_parse_from(words).unwrap().database().unwrap_err();
        assert_eq!(
            error.to_string(),
            "--database-url: must begin with sqlite:, postgres:// or mysql://"
        );
    }
}
